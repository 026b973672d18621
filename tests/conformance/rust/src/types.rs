//! Transactions (R4.13), receipts (R4.14, R4.15), blocks (C2.2, C2.5), what validators exchange (C2.2, C9.1, N8.2), genesis
//! (M16.6), calls and stored values of System and Balances (M1, M2).
use crate::scalar::{Amount, Bytes, Fixed, List, Pairs, Text, Wide};
use serde::{Deserialize, Serialize};

type U64 = Wide<u64>;
pub type Hash = Fixed<32>;
pub type Address = Fixed<32>;

macro_rules! wire {
    ($($(#[$m:meta])* $k:ident $name:ident $body:tt)*) => { $(
        $(#[$m])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub $k $name $body
    )* };
}

/* ---- transaction ---- */

wire! {
    enum Asset { Cgt, Currency(Hash), Item(Hash), Share(Hash), Lp(Hash) }
    enum Fee { EnergyOnly, EnergyThenFee { max: U64, tip: U64 } }
    struct Call { module: u16, call: u16, schema: Hash, args: Bytes<65_536> }
    enum Post {
        SpendsMax { account: Address, asset: Asset, amount: U64 },
        ReceivesMin { account: Address, asset: Asset, amount: U64 },
        Owns { account: Address, asset: Asset },
        OwnsNot { account: Address, asset: Asset },
        Value { key: Bytes<128>, value_hash: Hash },
        Result { call: u8, result_hash: Hash },
        EnergyMax(U64),
        FeeMax(U64),
        Outcome(Hash),
    }
    struct Body {
        version: u8, chain: Hash, sender: Address, lane: u16, nonce: U64, expiry: U64, gas: U64, fee: Fee, sponsor: Option<Address>,
        calls: List<Call, 1, 32>, post: List<Post, 0, 32>,
    }
    enum Sig {
        Ed25519 { key: Fixed<32>, sig: Fixed<64> },
        Secp256k1 { key: Fixed<33>, sig: Fixed<64> },
        P256 { key: Fixed<33>, sig: Fixed<64> },
        WebAuthn { key: Fixed<33>, auth_data: Bytes<256>, client_data: Bytes<1024>, sig: Fixed<64> },
        Bls { key: Fixed<96>, sig: Fixed<48> },
    }
    struct InitAuth { scheme: u8, key: Bytes<96>, level: u8, weight: u16 }
    struct AccountInit { auths: List<InitAuth, 1, 16>, t_use: u16, t_owner: u16, salt: U64 }
    enum Auth { Keys { init: Option<AccountInit>, sigs: List<Sig, 1, 16> }, Session { grant: u32, sig: Sig }, Unsigned }
}

/// With its fields public: the id is the hash of the body alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    pub body: Body,
    pub auth: Auth,
}

/* ---- receipt ---- */

#[allow(non_camel_case_types, clippy::upper_case_acronyms)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    OK,
    FAULT,
    TRAP,
    NO_GAS,
    NO_STACK,
    HOST,
    POSTCONDITION,
    NO_CONSENT,
    DEPOSIT,
    VOID,
}

wire! {
    struct Event { module: u16, event: u16, data: Bytes<8192> }
    struct EventLeaf { height: U64, tx: u32, idx: u16, event: Event }
    struct Receipt {
        id: Hash, status: Status, call: u8, module: u16, code: u32, gas_used: U64, gas_billed: U64, payer: Address, energy: U64, fee: U64, tip: U64,
        held: U64, returned: U64, results: List<Bytes<8192>, 0, 32>, events: List<Event, 0, 256>,
    }
    struct Mmr { count: U64, peaks: List<Hash, 0, 64> }
}

/* ---- block ---- */

wire! {
    struct Cert { kind: u8, epoch: u32, view: U64, pub hash: Hash, bitmap: Fixed<16>, sig: Fixed<48> }
    struct Header {
        version: u16, kind: u8, leader: u16, epoch: u32, view: U64, height: U64, parent_hash: Hash, parent_view: U64, parent_cert: Cert, pub just_root: Hash,
        body_hash: Hash, body_len: u32, parent_state_root: Hash, pub next_epoch_root: Hash, time_ms: U64, reveal: Fixed<48>,
    }
    struct Attendance { view: U64, kind: u8, bitmap: Fixed<16>, sig: Fixed<48> }
    struct Validator { pub key: Fixed<96>, pub weight: U64 }
    struct Vote { kind: u8, chain: Hash, epoch: u32, view: U64, hash: Hash }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHeader {
    pub header: Header,
    pub sig: Fixed<48>,
}

/// No evidence exists yet (C9.1): that list is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockBody {
    pub attendance: List<Attendance, 0, 8>,
    pub evidence: List<Bytes<0>, 0, 0>,
    pub transactions: List<Bytes<65_536>, 0, 10_000>,
}

pub type ValidatorSet = List<Validator, 1, 128>;

/* ---- what validators exchange ---- */

/// 56 KiB of runs, of 77 bytes or more each.
pub type Runs = List<NullRun, 0, 744>;

// Public fields: what the hashes are over.
wire! {
    struct WireVote { kind: u8, epoch: u32, view: U64, hash: Hash, signer: u16, sig: Fixed<96> }
    struct StoredVote { kind: u8, epoch: u32, view: U64, hash: Hash, signer: u16, sig: Fixed<48> }
    struct NullRun { epoch: u32, first: U64, bitmaps: List<Fixed<16>, 1, 64>, sig: Fixed<48> }
    struct EpochRecord {
        version: u16, epoch: u32, first_height: U64, last_height: U64, pub set_hash: Hash, seed: Hash, pub weight: U64, pub n: u16, pace_ms: u16,
        window: u8, delta_ms: u16, cap_ms: u32, empty_lag: u8, body_max: u32, body_soft: u32, skew_ms: u16,
    }
    struct Hello { epoch: u32, cur: U64, final_view: U64, height: U64 }
    struct Want { views: List<U64, 0, 64>, kinds: u8 }
    struct Bundle { base: Cert, runs: Runs }
    struct Proposal { pub header: SignedHeader, fin: Cert, pub runs: Runs }
    enum NextSet { Same, Change(List<Validator, 0, 256>), Set(ValidatorSet) }
    struct Handover { pub header: Header, pub fin: Cert, pub record: EpochRecord, pub next: NextSet }
    enum Side { Vote { vote: StoredVote }, Cert { cert: Cert }, Run { run: NullRun, view: U64 } }
    struct PathStep { pub is_left: bool, pub sibling: Hash }
    struct Opening { pub run: NullRun, pub path: List<PathStep, 0, 16> }
    enum Evidence {
        Pair { a: Side, b: Side },
        BadHeader { side: Side, header: Box<Header>, parent: Option<Box<Header>>, openings: List<Opening, 0, 2> },
    }
}

/* ---- genesis ---- */

wire! {
    struct GenesisParam { module: u16, key: u16, value: Bytes<64> }
    struct GenesisModule { id: u16, code: Hash, config: List<Bytes<32_768>, 0, 65_535> }
    struct GenesisValidator { account: Address, key: Fixed<96>, pop: Fixed<48>, peer: Bytes<64>, bond: U64, bucket: u8 }
    struct Genesis {
        version: u16, name: Text<32>, kind: u8, time_ms: U64, first: Option<Hash>, root: Option<Address>, instr_version: u16, host_api: u16,
        params: List<GenesisParam, 0, 65_535>, modules: List<GenesisModule, 0, 65_535>, validators: List<GenesisValidator, 0, 128>,
    }
}

/* ---- arguments of calls ---- */

wire! {
    struct Payment { to: Address, amount: Amount }
    struct Transfer { to: Address, amount: Amount, memo: Bytes<64> }
    struct To { to: Address }
    struct TransferMany { payments: List<Payment, 0, 200> }
    struct Burn { amount: Amount }
    struct Empty {}
    struct Key { scheme: u8, key: Bytes<96> }
    struct AddAuth { key: Key, proof: Bytes<1348>, level: u8, weight: u16, label: Text<32> }
    struct Rotate { slot: u8, key: Key, proof: Bytes<1348> }
    struct Slot { slot: u8 }
    struct SetThresholds { r#use: u16, owner: u16 }
    struct MsigCall { module: u16, call: u16, schema: Hash, args: Bytes<4096> }
    struct MsigPropose { calls: List<MsigCall, 0, 4>, level: u8 }
    struct Id { id: u32 }
    struct Note { data: Bytes<64> }

    struct Pair { x: u8, y: List<Option<bool>, 0, 2> }
    enum Choice { None, Some(U64) }
    enum Role { Member, Officer }
    struct EveryType {
        a: bool, b: u8, c: u16, d: u32, e: U64, f: Wide<u128>, g: i8, h: i16, i: i32, j: Wide<i64>, k: Wide<i128>, l: Address, m: Hash, n: Amount, o: Asset,
        p: Fixed<5>, q: Bytes<6>, r: Text<70>, s: List<u16, 0, 3>, t: Pairs<u16, Text<4>, 5>, u: Option<u32>, v: Pair, w: Choice, x: Role,
    }
}

/* ---- stored values ---- */

wire! {
    struct Deposit { payer: Address, amount: U64 }
    struct Account { kind: u8, kill_epoch: U64, auth_epoch: u32, t_use: u16, t_owner: u16, created_ms: U64 }
    struct AuthEntry { scheme: u8, key: Bytes<96>, level: u8, weight: u16, label: Text<32>, active_from_ms: U64 }
    struct Msig { calls: List<MsigCall, 0, 4>, approvals: u16, level: u8, auth_epoch: u32, kill_epoch: U64, until_ms: U64 }
    struct NextParam { value: Bytes<64>, epoch: u32 }
    struct Param { value: Bytes<64>, next: Option<NextParam> }
    struct ModuleVersion { major: u16, minor: u16, patch: u16 }
    struct Dependency { module: u16, version: ModuleVersion }
    struct ModuleEntry {
        name: Text<32>, version: ModuleVersion, code_hash: Hash, abi_hash: Hash, storage_version: u8, status: u8, activated_at: U64, prev: Option<Hash>,
        deps: List<Dependency, 0, 16>, trap_ppm: u32,
    }
    struct BlockRecord { height: U64, time_ms: U64, price: U64, receipts_root: Hash, tx_cnt: u32 }
    struct Money { asset: Asset, amount: Amount }
    struct Pledge { amount: U64, min: Option<Money>, until_ms: U64, kill_epoch: U64 }
    struct Vm { instr_version: u16, host_api: u16, next_bundle: u32 }
    struct Lock { amount: Amount, until_ms: U64 }
    struct Step { at_ms: U64, bps: u16 }
    struct Vesting { total: Amount, claimed: Amount, linear: bool, steps: List<Step, 0, 8> }
    struct Release { at_ms: U64, total: Amount }
    struct Bucket { pool: Address, paid: Amount, schedule: List<Release, 0, 16> }
}

pub type Counter = U64;
pub type Code = Bytes<262_144>;
pub type Schemas = List<Hash, 0, 8>;
