/* The node's JSON-RPC interface as it is on the wire. Made by `dmic gen --rpc-ts` from rpc.dmi, do not edit. */
import type { Hex } from "@demiurge/codec";
import type { Json, JsonObject } from "../json.js";

/** u64, u128 and i64 as decimal text (F0.2). */
export type Decimal = string;

/** Which state or block (F0.4). */
export type At = "head" | "final" | { readonly height: Decimal } | { readonly hash: Hex };

/** A name, or the number it stands for. */
export type NameOrId = string | number;

/** The block an answer speaks of (F0.4). */
export interface Block {
  readonly height: Decimal;
  readonly hash: Hex;
  readonly isFinal: boolean;
}

export type ProofLevel = "tree" | "full";

/** Proof of one key (F0.5): the header after the proven state, the path in the tree, with full the certificate. chain: what it claims to be of, which the certificate's signature binds. */
export interface Proof {
  readonly chain: Hex;
  readonly height: Decimal;
  readonly header: Hex;
  readonly tree: Hex;
  readonly finality?: Hex | null;
  readonly links?: readonly Hex[] | null;
}

export type ModuleStatus = "active" | "paused" | "migrating";

export interface Module {
  readonly id: number;
  readonly name: string;
  readonly version: string;
  readonly codeHash: Hex;
  readonly abiHash: Hex;
  readonly storageVersion: number;
  readonly status: ModuleStatus;
}

export interface Entry {
  readonly key: Hex;
  readonly value?: Hex | null;
}

export type ChainKind = "main" | "test" | "dev";

export interface ChainInfo {
  readonly name: string;
  readonly kind: ChainKind;
  readonly chainId: Hex;
  readonly caip2: string;
  readonly genesisTimeMs: Decimal;
  readonly nodeVersion: string;
  readonly validatorKey: Hex;
  readonly head: Block;
  readonly final: Block;
  readonly headTimeMs: Decimal;
  /** Of the blocks kept. */
  readonly oldestHeight: Decimal;
  /** Micro-sparks per gas in the next block. */
  readonly price: Decimal;
  /** dev_setBalance made coins or took them. */
  readonly isSupplyBroken: boolean;
  readonly modules: readonly Module[];
}

export interface ChainHead {
  readonly head: Block;
  readonly final: Block;
  readonly timeMs: Decimal;
  readonly price: Decimal;
}

export interface ChainStats {
  readonly transactions: Decimal;
  readonly pooled: number;
  readonly height: Decimal;
}

export interface Param {
  readonly module: number;
  readonly key: number;
  readonly name: string;
  readonly value: Decimal;
}

export interface Params {
  readonly items: readonly Param[];
  readonly at: Block;
}

export type BlockKind = "normal" | "boundary" | "closing" | "unknown";

export interface HeaderFields {
  readonly version: number;
  readonly kind: BlockKind;
  readonly leader: number;
  readonly epoch: number;
  readonly view: Decimal;
  readonly height: Decimal;
  readonly parentHash: Hex;
  readonly parentView: Decimal;
  readonly justRoot: Hex;
  readonly bodyHash: Hex;
  readonly bodyLen: number;
  readonly parentStateRoot: Hex;
  readonly nextEpochRoot: Hex;
  readonly timeMs: Decimal;
  readonly reveal: Hex;
}

export interface ChainHeader {
  readonly at: Block;
  readonly signedHeader: Hex;
  readonly finality?: Hex | null;
  readonly fields: HeaderFields;
}

export type BodyLevel = "none" | "ids" | "full";

export interface BlockAnswer {
  readonly at: Block;
  readonly signedHeader: Hex;
  readonly finality?: Hex | null;
  readonly timeMs: Decimal;
  readonly txCount: number;
  readonly ids?: readonly Hex[] | null;
  readonly body?: Hex | null;
}

export interface Blocks {
  readonly items: readonly BlockAnswer[];
  readonly next?: Decimal | null;
}

export interface Finality {
  readonly at: Block;
  readonly finality?: Hex | null;
}

export interface Member {
  readonly key: Hex;
  readonly weight: Decimal;
}

export interface Epoch {
  readonly at: Block;
  readonly epoch: number;
  readonly firstHeight: Decimal;
  /** Of a chain of one validator 2^64-1: its epoch does not end. */
  readonly lastHeight: Decimal;
  readonly seed: Hex;
  /** H("dmg/set/v1", BCS of set). */
  readonly setHash: Hex;
  readonly set: readonly Member[];
}

export interface StateValue {
  readonly at: Block;
  readonly value?: Hex | null;
  readonly proof?: Proof | null;
}

export interface StateValues {
  readonly at: Block;
  readonly items: readonly Entry[];
}

export interface StatePage {
  readonly at: Block;
  readonly items: readonly Entry[];
  readonly next?: Hex | null;
}

export interface ModuleAnswer {
  readonly at: Block;
  readonly id: number;
  readonly name: string;
  readonly version: string;
  readonly codeHash: Hex;
  readonly abiHash: Hex;
  readonly storageVersion: number;
  readonly status: ModuleStatus;
  readonly activatedAt: Decimal;
}

export interface ModuleAbi {
  readonly at: Block;
  readonly id: number;
  readonly abi: Hex;
}

export interface ModuleCode {
  readonly at: Block;
  readonly id: number;
  readonly codeHash: Hex;
  readonly code: Hex;
}

export interface QueryResult {
  readonly at: Block;
  /** BCS. */
  readonly result: Hex;
  /** The same as JSON, by the module's interface; null if it has none. */
  readonly value?: Json | null;
}

export type AccountKind = "user" | "pool" | "module" | "unknown";

export type Scheme = "Ed25519" | "Secp256k1" | "P256" | "WebAuthn" | "Bls";

export type KeyLevel = "use" | "owner";

export interface Auth {
  readonly slot: number;
  readonly scheme: Scheme;
  readonly key: Hex;
  readonly level: KeyLevel;
  readonly weight: number;
  readonly label: string;
}

export interface Thresholds {
  readonly use: number;
  readonly owner: number;
}

export interface Balances {
  readonly free: Decimal;
  readonly held: Decimal;
  readonly locked: Decimal;
  readonly spendable: Decimal;
}

export interface Account {
  readonly at: Block;
  readonly address: string;
  readonly exists: boolean;
  readonly kind?: AccountKind | null;
  readonly killEpoch?: Decimal | null;
  readonly authEpoch?: number | null;
  readonly thresholds?: Thresholds | null;
  readonly createdMs?: Decimal | null;
  readonly auths: readonly Auth[];
  readonly balances: Balances;
  /** Of lane 0. */
  readonly nonce: Decimal;
}

export interface Resolved {
  readonly address: string;
}

export interface BalancesAnswer {
  readonly at: Block;
  readonly address: string;
  readonly free: Decimal;
  readonly held: Decimal;
  readonly locked: Decimal;
  readonly spendable: Decimal;
  /** With a proof: key and stored bytes of free, and what proves them. */
  readonly key?: Hex | null;
  readonly value?: Hex | null;
  readonly proof?: Proof | null;
}

export interface Supply {
  readonly at: Block;
  readonly issued: Decimal;
  readonly burned: Decimal;
  readonly buckets: Decimal;
  readonly circulating: Decimal;
}

export type AssetKind = "Cgt" | "Currency" | "Item" | "Share" | "Lp";

export interface Asset {
  readonly kind: AssetKind;
  readonly value?: Hex | null;
}

export interface Holding {
  readonly asset: Asset;
  readonly amount: Decimal;
  readonly free: Decimal;
  readonly held: Decimal;
  readonly locked: Decimal;
  readonly spendable: Decimal;
}

export interface Holdings {
  readonly at: Block;
  readonly address: string;
  readonly items: readonly Holding[];
}

export interface MessageSig {
  readonly kind: Scheme;
  readonly key: Hex;
  readonly sig: Hex;
  readonly authData?: Hex | null;
  readonly clientData?: Hex | null;
}

export interface MessageVerdict {
  readonly at: Block;
  readonly address: string;
  readonly isValid: boolean;
  /** Weight of the signatures that hold, and what the account asks for. */
  readonly weight: number;
  readonly needed?: number | null;
  /** Unless valid. */
  readonly why?: string | null;
}

export type ReceiptStatus =
  | "OK"
  | "FAULT"
  | "TRAP"
  | "NO_GAS"
  | "NO_STACK"
  | "HOST"
  | "POSTCONDITION"
  | "NO_CONSENT"
  | "DEPOSIT"
  | "VOID";

export interface Inclusion {
  readonly height: Decimal;
  readonly index: number;
  readonly ok: boolean;
  readonly error?: ReceiptStatus | null;
}

export interface ReplacedBy {
  readonly by: Hex;
}

export interface ExpiredAt {
  readonly at: Decimal;
}

export interface DroppedFor {
  readonly reason: string;
}

/** F4.4. */
export type TxStatus =
  | { readonly kind: "unknown" }
  | { readonly kind: "queued" }
  | { readonly kind: "pooled" }
  | ({ readonly kind: "included" } & Inclusion)
  | ({ readonly kind: "final" } & Inclusion)
  | ({ readonly kind: "replaced" } & ReplacedBy)
  | ({ readonly kind: "expired" } & ExpiredAt)
  | ({ readonly kind: "dropped" } & DroppedFor);

export interface Submitted {
  readonly id: Hex;
  readonly status: TxStatus;
}

export interface StatusOf {
  readonly id: Hex;
  readonly status: TxStatus;
}

export interface Statuses {
  readonly items: readonly StatusOf[];
}

export interface Event {
  readonly module: number;
  readonly event: number;
  readonly data: Hex;
}

export interface Receipt {
  readonly id: Hex;
  readonly status: ReceiptStatus;
  /** The first call that failed; null: none did. */
  readonly call?: number | null;
  readonly module: number;
  readonly code: number;
  readonly gasUsed: Decimal;
  readonly gasBilled: Decimal;
  readonly payer?: string | null;
  readonly energy: Decimal;
  readonly fee: Decimal;
  readonly tip: Decimal;
  readonly held: Decimal;
  readonly returned: Decimal;
  readonly results: readonly Hex[];
  readonly events: readonly Event[];
}

export interface FeeLimit {
  readonly max: Decimal;
  readonly tip: Decimal;
}

export type Fee = { readonly kind: "EnergyOnly" } | ({ readonly kind: "EnergyThenFee" } & FeeLimit);

export interface CallFields {
  readonly module: number;
  readonly call: number;
  readonly schema: Hex;
  readonly args: Hex;
}

export interface PostAmount {
  readonly account: string;
  readonly asset: Asset;
  readonly amount: Decimal;
}

export interface PostAsset {
  readonly account: string;
  readonly asset: Asset;
}

export interface PostValue {
  readonly key: Hex;
  readonly valueHash: Hex;
}

export interface PostResult {
  readonly call: number;
  readonly hash: Hex;
}

export interface PostMax {
  readonly amount: Decimal;
}

export interface PostHash {
  readonly hash: Hex;
}

export type Post =
  | ({ readonly kind: "SpendsMax" } & PostAmount)
  | ({ readonly kind: "ReceivesMin" } & PostAmount)
  | ({ readonly kind: "Owns" } & PostAsset)
  | ({ readonly kind: "OwnsNot" } & PostAsset)
  | ({ readonly kind: "Value" } & PostValue)
  | ({ readonly kind: "Result" } & PostResult)
  | ({ readonly kind: "EnergyMax" } & PostMax)
  | ({ readonly kind: "FeeMax" } & PostMax)
  | ({ readonly kind: "Outcome" } & PostHash);

export interface Sig {
  readonly kind: Scheme;
  readonly key: Hex;
  readonly sig: Hex;
}

export type AuthKind = "Keys" | "Session" | "Unsigned";

export interface TxAuth {
  readonly kind: AuthKind;
  readonly grant?: number | null;
  readonly hasInit?: boolean | null;
  readonly sigs: readonly Sig[];
}

export interface TxFields {
  readonly id: Hex;
  readonly version: number;
  readonly chain: Hex;
  readonly sender: string;
  readonly lane: number;
  readonly nonce: Decimal;
  readonly expiry: Decimal;
  readonly gas: Decimal;
  readonly fee: Fee;
  readonly sponsor?: string | null;
  readonly calls: readonly CallFields[];
  readonly post: readonly Post[];
  readonly auth: TxAuth;
}

export interface TxAnswer {
  readonly id: Hex;
  readonly tx: Hex;
  readonly status: TxStatus;
  readonly receipt?: Hex | null;
  readonly fields: TxFields;
}

/** Names, arguments and fields by the module's interface; absent where it has none of them. */
export interface NamedCall {
  readonly module: number;
  readonly call: number;
  readonly moduleName?: string | null;
  readonly name?: string | null;
  readonly args?: Json | null;
  readonly data: Hex;
}

export interface NamedEvent {
  readonly module: number;
  readonly event: number;
  readonly moduleName?: string | null;
  readonly name?: string | null;
  readonly fields?: Json | null;
  readonly data: Hex;
}

export interface ReceiptAnswer {
  readonly at: Block;
  readonly index: number;
  readonly sender: string;
  /** What was asked for, and what the chain recorded of it. */
  readonly calls: readonly NamedCall[];
  readonly events: readonly NamedEvent[];
  readonly receipt: Hex;
  readonly fields: Receipt;
}

export interface Estimate {
  readonly status: ReceiptStatus;
  readonly error?: string | null;
  /** The limit to set: used x 1.2. */
  readonly gas: Decimal;
  readonly gasUsed: Decimal;
  readonly intrinsic: Decimal;
  readonly price: Decimal;
  readonly energy: Decimal;
  /** For that limit. */
  readonly fee: Decimal;
  readonly receipt: Hex;
}

export interface Arg {
  readonly name: string;
  readonly type: string;
}

export interface CallSchema {
  readonly module: number;
  readonly call: number;
  readonly name: string;
  readonly schema: Hex;
  readonly says: string;
  readonly gas: Decimal;
  readonly args: readonly Arg[];
}

export interface Lane {
  readonly lane: number;
  readonly state: Decimal;
  readonly next: Decimal;
}

export interface Nonces {
  readonly address: string;
  readonly lanes: readonly Lane[];
}

export interface Pool {
  readonly total: number;
}

export interface CallIn {
  /** Name or id. */
  readonly module: NameOrId;
  readonly call: NameOrId;
  /** An object of the arguments, a list of them in order, or 0x hex of their BCS. */
  readonly args: Json;
}

export interface Change {
  readonly account: string;
  readonly asset: Asset;
  readonly out: Decimal;
  readonly in: Decimal;
}

export interface PreviewError {
  /** module.Fault, or the status. */
  readonly name: string;
  readonly text: string;
  /** The first that failed. */
  readonly call?: number | null;
}

export interface Preview {
  readonly at: Block;
  readonly status: ReceiptStatus;
  readonly error?: PreviewError | null;
  /** What each account's holdings do; fee and tip left out. */
  readonly diff: readonly Change[];
  /** The line of each call that a signer is to see. */
  readonly says: readonly string[];
  readonly events: readonly NamedEvent[];
  /** The limit to set: used x 1.2. */
  readonly gas: Decimal;
  readonly gasUsed: Decimal;
  readonly energy: Decimal;
  /** For that limit. */
  readonly fee: Decimal;
  /** Post-conditions under which nothing worse can happen to the sender. */
  readonly bounds: readonly Post[];
  readonly outcomeHash: Hex;
  readonly receipt: Hex;
  /** How those of the stack end. */
  readonly stack: readonly ReceiptStatus[];
}

export interface BuildOptions {
  /** 0 (default) to 1023, or 65535: unordered. */
  readonly lane?: number | null;
  /** Default the next of the lane, pool counted in. */
  readonly nonce?: Decimal | null;
  /** Default 480 blocks from the head. */
  readonly expiry?: Decimal | null;
  /** Default what a preview uses x 1.2. */
  readonly gas?: Decimal | null;
  /** Default twice what that gas costs now. */
  readonly maxFee?: Decimal | null;
  readonly tip?: Decimal | null;
  readonly post?: readonly Post[] | null;
}

export interface Built {
  /** BCS; the transaction is this and the auth (R4.13). */
  readonly body: Hex;
  /** What is signed; the transaction's id. */
  readonly signingHash: Hex;
  readonly lane: number;
  readonly nonce: Decimal;
  readonly expiry: Decimal;
  readonly gas: Decimal;
  readonly maxFee: Decimal;
  /** The account is not on chain: the auth must bring its init (M1.2a). */
  readonly isNew: boolean;
  readonly says: readonly string[];
}

export interface NetInfo {
  /** null: a chain of one has no network. */
  readonly peerId?: string | null;
  /** Where it listens, its id at the end. */
  readonly address?: string | null;
  readonly isVoting: boolean;
  readonly connections: number;
  /** Validators it has a line with; and those it reaches through others only (N8.4). */
  readonly links: number;
  readonly relayed: number;
  /** From a block's time to its being final here, of the last minute. */
  readonly finalP50Ms?: number | null;
  readonly finalP99Ms?: number | null;
}

export interface NetPeer {
  readonly peerId: string;
  readonly address: string;
  readonly agent: string;
  readonly isOutbound: boolean;
  /** A validator's line. */
  readonly isLink: boolean;
  readonly validator?: number | null;
  /** Of the last ping. */
  readonly rttUs?: Decimal | null;
  readonly height?: Decimal | null;
}

export interface NetPeers {
  readonly inbound: number;
  readonly outbound: number;
  /** For callers on the node's own host only, else null. */
  readonly items?: readonly NetPeer[] | null;
}

export type Reach = "dialling" | "connected" | "wasConnected" | "unreached";

/** A peer that the node was told of: net.peers, net_dial. */
export interface NetDial {
  readonly peerId: string;
  /** The last one told. */
  readonly address: string;
  /** wasConnected: when net_dial asked for it; unreached: it is dialled again. */
  readonly state: Reach;
  /** Why the last try failed or the last connection ended, and how many did since it was connected. */
  readonly why?: string | null;
  readonly failures: number;
}

export interface NetDials {
  readonly items: readonly NetDial[];
}

export interface NetSync {
  readonly height: Decimal;
  readonly isSyncing: boolean;
  /** The height it goes to, once known. */
  readonly target?: Decimal | null;
  /** Blocks a second, of the last seconds. */
  readonly rate: number;
}

export interface NetScore {
  readonly peerId: string;
  readonly score: string;
}

export interface NetScores {
  readonly items: readonly NetScore[];
}

export type Topic = "heads" | "tx" | "blocks" | "events" | "account";

export type Delivery = "final" | "head";

export interface Opened {
  readonly subscription: Decimal;
  /** Of the last item before; null: there was none, the first has 0. */
  readonly seq?: Decimal | null;
  readonly cursor: string;
  readonly retainedFrom: Decimal;
}

export interface Subscription {
  readonly subscription: Decimal;
  readonly topic: Topic;
}

export interface Subscriptions {
  readonly items: readonly Subscription[];
}

export interface HeadItem {
  readonly height: Decimal;
  readonly hash: Hex;
  readonly timeMs: Decimal;
  readonly txCount: number;
}

export interface TxItem {
  readonly id: Hex;
  readonly status: TxStatus;
}

export interface EventItem {
  /** Index of the receipt in its block, and of the event in the receipt. */
  readonly tx: number;
  readonly idx: number;
  readonly module: number;
  readonly event: number;
  readonly moduleName?: string | null;
  readonly name?: string | null;
  readonly fields?: Json | null;
  readonly data: Hex;
}

export type Class = "A" | "B" | "C";

export interface Price {
  readonly method: string;
  readonly class: Class;
  readonly cost: number;
}

export interface Limits {
  readonly batch: number;
  readonly answerBytes: number;
  readonly bodyBytes: number;
  readonly jsonDepth: number;
  readonly jsonTokens: number;
  readonly page: number;
  readonly idBytes: number;
  readonly subscriptions: number;
  readonly subscriptionIds: number;
  readonly webSocketMessageBytes: number;
  readonly queryMs: number;
  /** Of one client, in units of 10 us of a core; 0: nobody is counted. */
  readonly unitsPerSecond: number;
  readonly unitsBurst: number;
  /** The asking client is. */
  readonly isCounted: boolean;
  /** The least that each method costs. */
  readonly prices: readonly Price[];
}

export interface Named {
  readonly name: string;
  readonly address: string;
}

export interface NamedList {
  readonly items: readonly Named[];
}

export interface AtHead {
  readonly at: Block;
}

export interface Snapshot {
  readonly id: number;
}

export interface TxId {
  readonly id: Hex;
}

/** Every method: its parameters by name, and its result. */
export interface Methods {
  /** What an account holds now: CGT, the only asset so far. */
  readonly account_assets: {
    readonly params: {
      /** whose */
      readonly account: string;
      /** which state; default head */
      readonly at?: At;
    };
    readonly result: Holdings;
  };
  /** An account: keys, thresholds, balances, nonce of lane 0. */
  readonly account_get: {
    readonly params: {
      /** whose */
      readonly account: string;
      /** which state; default head */
      readonly at?: At;
    };
    readonly result: Account;
  };
  /** The address an account reference stands for. */
  readonly account_resolve: {
    readonly params: {
      /** whose */
      readonly account: string;
    };
    readonly result: Resolved;
  };
  /** Did the account sign the message?  Each signature is over H("dmg/message/v1", message), by a key of the account. */
  readonly account_verifyMessage: {
    readonly params: {
      /** whose */
      readonly account: string;
      /** its bytes */
      readonly message: Hex;
      /** one or more */
      readonly sigs: readonly MessageSig[];
      /** which state the keys are of; default head */
      readonly at?: At;
    };
    readonly result: MessageVerdict;
  };
  /** Balances of an account in sparks. */
  readonly balances_get: {
    readonly params: {
      /** whose */
      readonly account: string;
      /** which state; default head, with a proof final */
      readonly at?: At;
      /** tree: header and path; full: the certificate too */
      readonly proof?: ProofLevel;
    };
    readonly result: BalancesAnswer;
  };
  /** Supply in sparks. */
  readonly balances_supply: {
    readonly params: {
      /** which state; default head */
      readonly at?: At;
    };
    readonly result: Supply;
  };
  /** A block. */
  readonly chain_block: {
    readonly params: {
      /** which block; default final */
      readonly at?: At;
      /** default ids */
      readonly body?: BodyLevel;
    };
    readonly result: BlockAnswer;
  };
  /** Up to 100 blocks from a height. */
  readonly chain_blocks: {
    readonly params: {
      /** first height */
      readonly from: Decimal;
      /** 1 to 100, default 20 */
      readonly count?: number;
      /** default ids */
      readonly body?: BodyLevel;
    };
    readonly result: Blocks;
  };
  /** An epoch's record: its heights, seed and validator set. */
  readonly chain_epoch: {
    readonly params: {
      /** default the running one */
      readonly epoch?: number;
    };
    readonly result: Epoch;
  };
  /** The FINALIZATION certificate of a block. */
  readonly chain_finality: {
    readonly params: {
      /** which block; default final */
      readonly at?: At;
    };
    readonly result: Finality;
  };
  /** Head and final block. */
  readonly chain_head: {
    readonly params: Record<string, never>;
    readonly result: ChainHead;
  };
  /** A block's signed header and certificate. */
  readonly chain_header: {
    readonly params: {
      /** which block; default final */
      readonly at?: At;
    };
    readonly result: ChainHeader;
  };
  /** Which chain this is, its modules, head and final block. */
  readonly chain_info: {
    readonly params: Record<string, never>;
    readonly result: ChainInfo;
  };
  /** Parameters of the chain. */
  readonly chain_params: {
    readonly params: {
      /** which state; default head */
      readonly at?: At;
    };
    readonly result: Params;
  };
  /** Counts of this process. */
  readonly chain_stats: {
    readonly params: Record<string, never>;
    readonly result: ChainStats;
  };
  /** The named accounts of this dev chain. */
  readonly dev_accounts: {
    readonly params: Record<string, never>;
    readonly result: NamedList;
  };
  /** Sends CGT from the dev chain's own account. */
  readonly dev_faucet: {
    readonly params: {
      /** whose */
      readonly account: string;
      /** sparks, default 1,000 CGT */
      readonly amount?: Decimal;
    };
    readonly result: TxId;
  };
  /** Moves the chain's clock forward. */
  readonly dev_increaseTime: {
    readonly params: {
      /** by how much */
      readonly ms: Decimal;
    };
    readonly result: boolean;
  };
  /** Makes blocks now. */
  readonly dev_mine: {
    readonly params: {
      /** how many, default 1 */
      readonly blocks?: number;
      /** time between them */
      readonly stepMs?: Decimal;
    };
    readonly result: AtHead;
  };
  /** Brings a snapshot back; it can be used again, later ones are gone. */
  readonly dev_revert: {
    readonly params: {
      /** from dev_snapshot */
      readonly id: number;
    };
    readonly result: boolean;
  };
  /** Sets an account's free balance in the next block. */
  readonly dev_setBalance: {
    readonly params: {
      /** whose */
      readonly account: string;
      /** sparks */
      readonly amount: Decimal;
    };
    readonly result: boolean;
  };
  /** When blocks are made. */
  readonly dev_setBlocks: {
    readonly params: {
      /** auto, manual or a pace like 250ms */
      readonly mode: string;
    };
    readonly result: boolean;
  };
  /** Sets the chain's clock, forward only. */
  readonly dev_setTime: {
    readonly params: {
      /** Unix ms */
      readonly timeMs: Decimal;
    };
    readonly result: boolean;
  };
  /** Remembers the whole chain. */
  readonly dev_snapshot: {
    readonly params: Record<string, never>;
    readonly result: Snapshot;
  };
  /** Connects to a peer; for callers on the node's own host. net_dials tells what becomes of it. */
  readonly net_dial: {
    readonly params: {
      /** /ip4/ADDRESS/tcp/PORT/p2p/PEER_ID */
      readonly address: string;
    };
    readonly result: boolean;
  };
  /** The peers that this node was told to be connected with, and why it is not; for callers on the node's own host. */
  readonly net_dials: {
    readonly params: Record<string, never>;
    readonly result: NetDials;
  };
  /** Who this node is among its peers, and how soon blocks become final here. */
  readonly net_info: {
    readonly params: Record<string, never>;
    readonly result: NetInfo;
  };
  /** Connections: how many; which, for callers on the node's own host. */
  readonly net_peers: {
    readonly params: Record<string, never>;
    readonly result: NetPeers;
  };
  /** Gossip scores of peers (N7.4); for callers on the node's own host. */
  readonly net_scores: {
    readonly params: Record<string, never>;
    readonly result: NetScores;
  };
  /** How far the node is, and where it goes while it catches up. */
  readonly net_sync: {
    readonly params: Record<string, never>;
    readonly result: NetSync;
  };
  /** The OpenRPC 1.3 document of this node: every method it serves. */
  readonly "rpc.discover": {
    readonly params: Record<string, never>;
    readonly result: JsonObject;
  };
  /** Limits and prices of this server. */
  readonly rpc_limits: {
    readonly params: Record<string, never>;
    readonly result: Limits;
  };
  /** A module's code: the WASM its author gave. */
  readonly state_code: {
    readonly params: {
      /** name or id */
      readonly module: NameOrId;
      /** which state; default head */
      readonly at?: At;
    };
    readonly result: ModuleCode;
  };
  /** A module's interface: canonical ABI bytes. */
  readonly state_dmi: {
    readonly params: {
      /** name or id */
      readonly module: NameOrId;
      /** which state; default head */
      readonly at?: At;
    };
    readonly result: ModuleAbi;
  };
  /** The stored bytes of a key. */
  readonly state_get: {
    readonly params: {
      /** storage key */
      readonly key: Hex;
      /** which state; default head, with a proof final */
      readonly at?: At;
      /** tree: header and path; full: the certificate too */
      readonly proof?: ProofLevel;
    };
    readonly result: StateValue;
  };
  /** The stored bytes of up to 1,000 keys. */
  readonly state_getMany: {
    readonly params: {
      /** storage keys */
      readonly keys: readonly Hex[];
      /** which state; default head */
      readonly at?: At;
    };
    readonly result: StateValues;
  };
  /** Keys under a prefix, in order (unproven). */
  readonly state_list: {
    readonly params: {
      /** first bytes of the keys */
      readonly prefix: Hex;
      /** 1 to 1000, default 100 */
      readonly limit?: number;
      /** the last key of the page before */
      readonly after?: Hex;
      /** which state; default head */
      readonly at?: At;
    };
    readonly result: StatePage;
  };
  /** A module's registry entry. */
  readonly state_module: {
    readonly params: {
      /** name or id */
      readonly module: NameOrId;
      /** which state; default head */
      readonly at?: At;
    };
    readonly result: ModuleAnswer;
  };
  /** Runs a module's query. */
  readonly state_query: {
    readonly params: {
      /** name or id */
      readonly module: NameOrId;
      /** name or id */
      readonly query: NameOrId;
      /** an object of the arguments, a list of them in order, or 0x hex of their BCS */
      readonly args: Json;
      /** which state; default head */
      readonly at?: At;
    };
    readonly result: QueryResult;
  };
  /** Ends a stream; sub_stop comes first. */
  readonly sub_close: {
    readonly params: {
      /** its id */
      readonly subscription: Decimal;
    };
    readonly result: boolean;
  };
  /** Streams of this socket. */
  readonly sub_list: {
    readonly params: Record<string, never>;
    readonly result: Subscriptions;
  };
  /** Opens a stream on this WebSocket; sub_item notifications follow. */
  readonly sub_open: {
    readonly params: {
      /** which stream */
      readonly topic: Topic;
      /** the parameters of the stream */
      readonly filter?: JsonObject;
      /** final (default) or head; the same on a chain of one validator */
      readonly finality?: Delivery;
      /** blocks, events: go on after it; heads: with the newest head and how many were skipped; tx, account: seq goes on */
      readonly cursor?: string;
    };
    readonly result: Opened;
  };
  /** The bytes of a transaction from calls in JSON, and what is to be signed. */
  readonly tx_build: {
    readonly params: {
      /** who signs */
      readonly from: string;
      /** what it does */
      readonly calls: readonly CallIn[];
      /** all but calls; what is left out is filled in from the head */
      readonly options?: BuildOptions;
    };
    readonly result: Built;
  };
  /** A transaction's fields. */
  readonly tx_decode: {
    readonly params: {
      /** BCS of the transaction, at most 65,536 bytes */
      readonly tx: Hex;
    };
    readonly result: TxFields;
  };
  /** Runs a transaction on the head without its effects; signatures, nonce and fee are not looked at. */
  readonly tx_estimate: {
    readonly params: {
      /** BCS of the transaction, at most 65,536 bytes */
      readonly tx: Hex;
    };
    readonly result: Estimate;
  };
  /** A transaction, its status and receipt. */
  readonly tx_get: {
    readonly params: {
      /** transaction id */
      readonly id: Hex;
    };
    readonly result: TxAnswer;
  };
  /** Next nonces of an account's lanes: in the state, and with the pool counted in. */
  readonly tx_nonces: {
    readonly params: {
      /** whose */
      readonly account: string;
      /** lane numbers, default [0] */
      readonly lanes?: readonly number[];
    };
    readonly result: Nonces;
  };
  /** How many transactions wait. */
  readonly tx_pool: {
    readonly params: Record<string, never>;
    readonly result: Pool;
  };
  /** What a transaction would do on the head, without its effects: signatures and nonces are not looked at, the sender acts with its owner role. */
  readonly tx_preview: {
    readonly params: {
      /** BCS of a transaction, run with its own gas and fee; or else calls */
      readonly tx?: Hex;
      /** run with all gas and without a fee */
      readonly calls?: readonly CallIn[];
      /** whose calls */
      readonly from?: string;
      /** transactions that run before it, in order */
      readonly stack?: readonly Hex[];
    };
    readonly result: Preview;
  };
  /** What a transaction in a block did and cost: its calls and events by the modules' interfaces, and its receipt. */
  readonly tx_receipt: {
    readonly params: {
      /** transaction id */
      readonly id: Hex;
    };
    readonly result: ReceiptAnswer;
  };
  /** A call's schema hash and arguments. */
  readonly tx_schema: {
    readonly params: {
      /** name or id */
      readonly module: NameOrId;
      /** name or id */
      readonly call: NameOrId;
    };
    readonly result: CallSchema;
  };
  /** Where up to 100 transactions stand. */
  readonly tx_status: {
    readonly params: {
      /** transaction ids */
      readonly ids: readonly Hex[];
    };
    readonly result: Statuses;
  };
  /** Takes a signed transaction into the pool; a known id answers its status. */
  readonly tx_submit: {
    readonly params: {
      /** BCS of the transaction, at most 65,536 bytes */
      readonly tx: Hex;
    };
    readonly result: Submitted;
  };
}

/** Every topic of sub_open: its filter, and its items. */
export interface Streams {
  /** The newest block; skips to it when the socket is full. */
  readonly heads: {
    readonly filter: Record<string, never>;
    readonly item: HeadItem;
  };
  /** The newest status of each of the transactions, at once and at each change. */
  readonly tx: {
    readonly filter: {
      /** transaction ids */
      readonly ids: readonly Hex[];
    };
    readonly item: TxItem;
  };
  /** Every block, from the one after the cursor, or after the head. */
  readonly blocks: {
    readonly filter: {
      /** default ids */
      readonly body?: BodyLevel;
    };
    readonly item: BlockAnswer;
  };
  /** Every event of a module, or that names an account in its topics; one of the two.  seq is the position in the topic's MMR. */
  readonly events: {
    readonly filter: {
      /** name or id */
      readonly module?: NameOrId;
      /** whose */
      readonly account?: string;
    };
    readonly item: EventItem;
  };
  /** What account_get answers, at once and whenever it changes. */
  readonly account: {
    readonly filter: {
      /** whose */
      readonly account: string;
    };
    readonly item: Account;
  };
}

/** Code, name, and whether the same request may succeed later. */
export const ERRORS = [
  [-32700, "Parse", false],
  [-32600, "InvalidRequest", false],
  [-32601, "MethodNotFound", false],
  [-32602, "InvalidParams", false],
  [-32603, "Internal", true],
  [-32000, "InvalidInput", false],
  [-32001, "NotFound", false],
  [-32004, "MethodDisabled", false],
  [-32002, "Unavailable", true],
  [-32015, "Timeout", true],
  [-32003, "TxRejected", false],
  [-32005, "LimitExceeded", true],
  [-32014, "Unauthorized", false],
  [-32010, "ChainRefused", false],
  [-32011, "SchemaMismatch", false],
  [-32012, "CursorExpired", false],
  [-32013, "ProofUnavailable", true],
] as const;
