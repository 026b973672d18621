//! Every vector with bytes of BCS: the crate reads them, they mean what `input` says, and it writes the same bytes again; ids and
//! roots over them agree.  A kind that is not known here fails, so a new one cannot pass unseen.
use demiurge_conformance::{Hash, cycle, from_input, h, merkle, root_by_path, scalar::List, sha256, types as t};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Debug, path::Path};

fn vectors(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../vectors/{file}.json"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["format"], "demiurge-vectors/1");
    let Value::Array(list) = json["vectors"].take() else {
        panic!("{file}: no list")
    };
    assert!(list.len() >= 5);
    list
}

fn text<'a>(x: &'a Value, field: &str) -> &'a str {
    x[field].as_str().unwrap_or_else(|| panic!("{}: no {field}", x["name"]))
}

fn bin(x: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(x, field).strip_prefix("0x").unwrap()).unwrap()
}

fn bins(x: &Value, field: &str) -> Vec<Vec<u8>> {
    x[field]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| hex::decode(&v.as_str().unwrap()[2..]).unwrap())
        .collect()
}

fn hash(x: &Value, field: &str) -> Hash {
    bin(x, field).try_into().unwrap()
}

/// Reads bytes and `input`, which must be the same value, and writes it again.
fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(x: &Value, bytes: &[u8], input: &Value) -> T {
    let name = &x["name"];
    let value: T = bcs::from_bytes(bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
    if !input.is_null() {
        let meant: T = from_input(input).unwrap_or_else(|e| panic!("{name}: input: {e}"));
        assert_eq!(value, meant, "{name}");
    }
    assert_eq!(bcs::to_bytes(&value).unwrap(), bytes, "{name}: written again");
    value
}

fn round<T: Serialize + DeserializeOwned + PartialEq + Debug>(x: &Value) -> T {
    same(x, &bin(x, "bcs"), &x["input"])
}

#[test]
fn every_file_is_known() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    let mut files: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".json").map(String::from))
        .collect();
    files.sort();
    // Proofs have a form of their own, not BCS.
    let unread = ["proof_bad", "proofs"];
    let read = [
        "addresses",
        "agree",
        "calls",
        "decode_bad",
        "hash",
        "headers",
        "receipts",
        "storage",
        "transactions",
    ];
    let mut known = [&read[..], &unread[..]].concat();
    known.sort();
    assert_eq!(files, known);
}

#[test]
fn hashes_and_trees() {
    for x in vectors("hash") {
        let (got, want) = match text(&x, "kind") {
            "tagged_hash" => (h(text(&x, "tag"), &[&bin(&x, "data")]), hash(&x, "hash")),
            "merkle" => {
                let leaves: Vec<Hash> = bins(&x, "leaves").into_iter().map(|b| b.try_into().unwrap()).collect();
                (merkle(text(&x, "node_tag"), &leaves), hash(&x, "root"))
            }
            kind => panic!("{kind}"),
        };
        assert_eq!(got, want, "{}", x["name"]);
    }
}

#[test]
fn addresses() {
    for x in vectors("addresses") {
        match text(&x, "kind") {
            "account_init" => {
                round::<t::AccountInit>(&x);
                assert_eq!(h("dmg/addr/v1", &[&bin(&x, "bcs")]), hash(&x, "address"));
            }
            "module_address" => {
                let module = bcs::to_bytes(&(x["module"].as_u64().unwrap() as u16)).unwrap();
                let seed = bcs::to_bytes(&text(&x, "seed").parse::<u64>().unwrap()).unwrap();
                assert_eq!(h("dmg/module/v1", &[&module, &seed]), hash(&x, "address"));
            }
            "mnemonic" | "address_text" | "address_text_bad" => {} // no BCS
            kind => panic!("{kind}"),
        }
    }
}

/// The arguments of a call, or of the vectors' own call 513.7.
fn args(x: &Value, module: u64, call: u64) {
    match (module, call) {
        (1, 1) => drop(round::<t::AddAuth>(x)),
        (1, 2) => drop(round::<t::Rotate>(x)),
        (1, 3) => drop(round::<t::Slot>(x)),
        (1, 4) => drop(round::<t::SetThresholds>(x)),
        (1, 5) => drop(round::<t::MsigPropose>(x)),
        (1, 6 | 7) => drop(round::<t::Id>(x)),
        (1, 8) => drop(round::<t::Note>(x)),
        (1, 9) | (2, 2) => drop(round::<t::To>(x)),
        (2, 1) => drop(round::<t::Transfer>(x)),
        (2, 3) => drop(round::<t::TransferMany>(x)),
        (2, 4) => drop(round::<t::Burn>(x)),
        (2, 5) => drop(round::<t::Empty>(x)),
        (513, 7) => drop(round::<t::EveryType>(x)),
        _ => panic!("{module}.{call}"),
    }
}

#[test]
fn calls() {
    for x in vectors("calls") {
        match text(&x, "kind") {
            "schema" => assert_eq!(
                h("dmg/schema/v1", &[&bin(&x, "bcs")]),
                hash(&x, "schema"),
                "{}",
                x["name"]
            ),
            "args" => args(&x, x["module"].as_u64().unwrap(), x["call"].as_u64().unwrap()),
            kind => panic!("{kind}"),
        }
    }
}

#[test]
fn transactions() {
    for x in vectors("transactions") {
        assert_eq!(text(&x, "kind"), "transaction");
        let tx: t::Transaction = round(&x);
        let body = bcs::to_bytes(&tx.body).unwrap();
        assert_eq!(body, bin(&x, "body"), "{}", x["name"]);
        assert_eq!(h("dmg/tx/v1", &[&body]), hash(&x, "id"), "{}", x["name"]);
    }
}

#[test]
fn receipts() {
    for x in vectors("receipts") {
        let leaf = |b: &[u8]| h("dmg/receipt/v1", &[b]);
        match text(&x, "kind") {
            "receipt" => {
                round::<t::Receipt>(&x);
                assert_eq!(leaf(&bin(&x, "bcs")), hash(&x, "leaf"));
            }
            "receipts_root" => {
                let leaves: Vec<Hash> = bins(&x, "receipts").iter().map(|b| leaf(b)).collect();
                assert_eq!(
                    merkle("dmg/receipt/node/v1", &leaves),
                    hash(&x, "root"),
                    "{}",
                    x["name"]
                );
            }
            "mmr" => {
                let mmr: t::Mmr = round(&x);
                let bytes = bcs::to_bytes(&mmr).unwrap();
                // Behind the count stands the length of the peaks, one byte up to 64 of them; the root is over the rest.
                assert_eq!(
                    h("dmg/mmr/root/v1", &[&bytes[..8], &bytes[9..]]),
                    hash(&x, "root"),
                    "{}",
                    x["name"]
                );
            }
            "event" => drop(round::<t::Event>(&x)),
            "event_leaf" => {
                round::<t::EventLeaf>(&x);
                assert_eq!(h("dmg/event/v1", &[&bin(&x, "bcs")]), hash(&x, "hash"));
            }
            "receipts_leaf" => {
                let height = text(&x, "height").parse::<u64>().unwrap().to_le_bytes();
                assert_eq!(
                    h("dmg/receipts/v1", &[&height, &bin(&x, "receipts_root")]),
                    hash(&x, "hash")
                );
            }
            "result_hash" => assert_eq!(h("dmg/result/v1", &[&bin(&x, "data")]), hash(&x, "hash")),
            kind => panic!("{kind}"),
        }
    }
}

#[test]
fn blocks() {
    for x in vectors("headers") {
        match text(&x, "kind") {
            "genesis" => {
                round::<t::Genesis>(&x);
                assert_eq!(h("dmg/genesis/v1", &[&bin(&x, "bcs")]), hash(&x, "hash"));
            }
            "header" => {
                round::<t::Header>(&x);
                assert_eq!(h("dmg/block/v1", &[&bin(&x, "bcs")]), hash(&x, "hash"));
            }
            "signed_header" => {
                let signed: t::SignedHeader = round(&x);
                assert_eq!(
                    h("dmg/block/v1", &[&bcs::to_bytes(&signed.header).unwrap()]),
                    hash(&x, "hash")
                );
            }
            "cert" => drop(round::<t::Cert>(&x)),
            "vote" => drop(same::<t::Vote>(&x, &bin(&x, "message"), &Value::Null)),
            "set" => {
                round::<t::ValidatorSet>(&x);
                assert_eq!(h("dmg/set/v1", &[&bin(&x, "bcs")]), hash(&x, "hash"));
            }
            "body" => {
                let body: t::BlockBody = round(&x);
                let attendance = h("dmg/body/att/v1", &[&bcs::to_bytes(&body.attendance).unwrap()]);
                let evidence = h("dmg/body/ev/v1", &[&bcs::to_bytes(&body.evidence).unwrap()]);
                let txs: Vec<Hash> = body
                    .transactions
                    .0
                    .iter()
                    .map(|b| h("dmg/body/tx/v1", &[&b.0]))
                    .collect();
                let txs = merkle("dmg/body/node/v1", &txs);
                assert_eq!(
                    h("dmg/body/v1", &[&attendance, &evidence, &txs]),
                    hash(&x, "body_hash"),
                    "{}",
                    x["name"]
                );
                assert_eq!(bin(&x, "bcs").len() as u64, text_or_num(&x, "body_len"));
            }
            "bls_keygen" | "beacon" | "beacon_next" | "seed" => {} // no BCS
            kind => panic!("{kind}"),
        }
    }
}

/// What `record`, `handover` and the like commit to.
fn over<T: Serialize>(tag: &str, value: &T) -> Hash {
    h(tag, &[&bcs::to_bytes(value).unwrap()])
}

fn run_leaf(run: &t::NullRun) -> Hash {
    over("dmg/just/leaf/v1", run)
}

/// Its header's next_epoch_root is the record, its certificate is over the header, and on set `prev` it names `next` (C2.2).
fn handover(x: &Value) {
    let name = &x["name"];
    let handover: t::Handover = round(x);
    assert_eq!(
        handover.header.next_epoch_root.0,
        over("dmg/epoch/v1", &handover.record),
        "{name}"
    );
    assert_eq!(handover.fin.hash.0, over("dmg/block/v1", &handover.header), "{name}");

    let prev: t::ValidatorSet = bcs::from_bytes(&bin(x, "prev")).unwrap();
    let mut next: BTreeMap<[u8; 96], t::Validator> = prev.0.into_iter().map(|v| (v.key.0, v)).collect();
    match handover.next {
        t::NextSet::Same => {}
        t::NextSet::Change(changes) => {
            for v in changes.0 {
                match v.weight.0 {
                    0 => assert!(next.remove(&v.key.0).is_some(), "{name}"),
                    _ => drop(next.insert(v.key.0, v)),
                }
            }
        }
        t::NextSet::Set(set) => next = set.0.into_iter().map(|v| (v.key.0, v)).collect(),
    }
    let next: t::ValidatorSet = List(next.into_values().collect());
    assert_eq!(bcs::to_bytes(&next).unwrap(), bin(x, "next"), "{name}");
    assert_eq!(handover.record.set_hash.0, over("dmg/set/v1", &next), "{name}");
    assert_eq!(usize::from(handover.record.n), next.0.len(), "{name}");
    assert_eq!(
        handover.record.weight.0,
        next.0.iter().map(|v| v.weight.0).sum::<u64>(),
        "{name}"
    );
}

#[test]
fn what_validators_exchange() {
    let node = "dmg/just/node/v1";
    for x in vectors("agree") {
        let name = &x["name"];
        assert_eq!(
            x["bcs"].is_null(),
            x["input"].is_null(),
            "{name}: bytes and their meaning"
        );
        match text(&x, "kind") {
            "vote_wire" => drop(round::<t::WireVote>(&x)),
            "vote_stored" => drop(round::<t::StoredVote>(&x)),
            "hello" => drop(round::<t::Hello>(&x)),
            "want" => drop(round::<t::Want>(&x)),
            "bundle" => drop(round::<t::Bundle>(&x)),
            "run" => assert_eq!(run_leaf(&round(&x)), hash(&x, "hash"), "{name}"),
            "set" => assert_eq!(
                over("dmg/set/v1", &round::<t::ValidatorSet>(&x)),
                hash(&x, "hash"),
                "{name}"
            ),
            "record" => assert_eq!(
                over("dmg/epoch/v1", &round::<t::EpochRecord>(&x)),
                hash(&x, "hash"),
                "{name}"
            ),
            "proposal" => {
                let proposal: t::Proposal = round(&x);
                let leaves: Vec<Hash> = proposal.runs.0.iter().map(run_leaf).collect();
                assert_eq!(
                    over("dmg/block/v1", &proposal.header.header),
                    hash(&x, "hash"),
                    "{name}"
                );
                assert_eq!(proposal.header.header.just_root.0, merkle(node, &leaves), "{name}");
            }
            "handover" => handover(&x),
            "evidence" => {
                if let t::Evidence::BadHeader { header, openings, .. } = round(&x) {
                    for opening in &openings.0 {
                        let root = root_by_path(node, run_leaf(&opening.run), &opening.path.0);
                        assert_eq!(header.just_root.0, root, "{name}");
                    }
                }
            }
            "just_root" => {
                let leaves: Vec<Hash> = bins(&x, "leaves").into_iter().map(|b| b.try_into().unwrap()).collect();
                assert_eq!(merkle(node, &leaves), hash(&x, "root"), "{name}");
            }
            "cycle" => {
                let weights: Vec<u64> = bin(&x, "weights")
                    .as_chunks()
                    .0
                    .iter()
                    .map(|w| u64::from_le_bytes(*w))
                    .collect();
                let leaders: Vec<u8> = cycle(&hash(&x, "seed"), text_or_num(&x, "cycle") as u32, &weights)
                    .into_iter()
                    .map(|i| i as u8)
                    .collect();
                assert_eq!(leaders[..64], bin(&x, "leaders"), "{name}");
                assert_eq!(sha256(&leaders), hash(&x, "hash"), "{name}");
            }
            "seed_next" => {
                let epoch = (text_or_num(&x, "epoch") as u32).to_le_bytes();
                assert_eq!(
                    h("dmg/epoch/seed/v1", &[&bin(&x, "beacon"), &epoch]),
                    hash(&x, "seed"),
                    "{name}"
                );
            }
            kind => panic!("{kind}"),
        }
    }
}

fn text_or_num(x: &Value, field: &str) -> u64 {
    x[field].as_u64().unwrap_or_else(|| text(x, field).parse().unwrap())
}

/// V = schema byte | deposit record, where the item has one | BCS (R5.8).
fn stored<T: Serialize + DeserializeOwned + PartialEq + Debug>(x: &Value, has_deposit: bool) {
    let (bytes, input) = (bin(x, "value"), &x["input"]);
    assert_eq!(u64::from(bytes[0]), input["schema"].as_u64().unwrap());
    assert_eq!(has_deposit, !input["deposit"].is_null(), "{}", x["name"]);
    let at = if has_deposit { 41 } else { 1 };
    if has_deposit {
        same::<t::Deposit>(x, &bytes[1..at], &input["deposit"]);
    }
    same::<T>(x, &bytes[at..], &input["value"]);
}

#[test]
fn stored_values() {
    for x in vectors("storage") {
        match text(&x, "kind") {
            "stored" => {}
            "key_field" => continue, // keys are big-endian, not BCS
            kind => panic!("{kind}"),
        }
        let key = bin(&x, "key");
        match (
            u16::from_be_bytes([key[0], key[1]]),
            u16::from_be_bytes([key[2], key[3]]),
        ) {
            (1, 1) => stored::<t::Account>(&x, true),
            (1, 2) => stored::<t::AuthEntry>(&x, true),
            (1, 3 | 22) | (2, 1) => stored::<t::Counter>(&x, true),
            (1, 4) => stored::<t::Empty>(&x, false),
            (1, 5) => stored::<t::Msig>(&x, true),
            (1, 6) => stored::<t::Param>(&x, false),
            (1, 7) => stored::<t::ModuleEntry>(&x, false),
            (1, 8) => stored::<t::Code>(&x, true),
            (1, 9) => stored::<t::Schemas>(&x, false),
            (1, 12 | 15) => stored::<t::Mmr>(&x, false),
            (1, 13) => stored::<t::Hash>(&x, false),
            (1, 14) => stored::<t::BlockRecord>(&x, false),
            (1, 16) => stored::<t::Pledge>(&x, true),
            (1, 19) => stored::<t::Vm>(&x, false),
            (2, 2 | 3 | 7) => stored::<t::Counter>(&x, false),
            (2, 4) => stored::<t::Lock>(&x, false),
            (2, 5) => stored::<t::Vesting>(&x, false),
            (2, 6) => stored::<t::Bucket>(&x, false),
            item => panic!("{item:?}"),
        }
    }
}

#[test]
fn bad_bytes_are_refused() {
    let mut cnt = 0;
    for x in vectors("decode_bad") {
        let bytes = bin(&x, "bcs");
        let is_read = match text(&x, "kind") {
            "transaction" => bcs::from_bytes::<t::Transaction>(&bytes).is_ok(),
            "receipt" => bcs::from_bytes::<t::Receipt>(&bytes).is_ok(),
            "header" => bcs::from_bytes::<t::Header>(&bytes).is_ok(),
            "mmr" => bcs::from_bytes::<t::Mmr>(&bytes).is_ok(),
            "args 1.8" => bcs::from_bytes::<t::Note>(&bytes).is_ok(),
            "args 2.1" => bcs::from_bytes::<t::Transfer>(&bytes).is_ok(),
            "args 2.3" => bcs::from_bytes::<t::TransferMany>(&bytes).is_ok(),
            kind => panic!("{kind}"),
        };
        // What stands under `form` is canonical BCS: the check that refuses it comes after.
        assert_eq!(is_read, text(&x, "layer") == "form", "{}: {}", x["name"], x["reason"]);
        cnt += 1;
    }
    assert!(cnt > 40);
}
