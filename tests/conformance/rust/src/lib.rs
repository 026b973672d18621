//! The chain's wire types as the specification names them, for the crate `bcs` (R2.2: struct fields in order, enums by index,
//! every list and byte string with its maximum).  Written from the specification alone, like the TypeScript SDK.
//!
//! Each type deserializes from the bytes (by `bcs`) and from a vector's `input` (by `serde_json`, after `tagged`): hex for
//! bytes, decimal strings for u64 and wider.

pub mod scalar;
pub mod types;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

pub type Hash = [u8; 32];

/// H(tag, parts) = SHA256(SHA256(tag) || SHA256(tag) || parts) (S1.1).
pub fn h(tag: &str, parts: &[&[u8]]) -> Hash {
    let t = Sha256::digest(tag.as_bytes());
    let mut hash = Sha256::new();
    hash.update(t);
    hash.update(t);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// RFC 6962 shape with tagged nodes: the left subtree is the largest power of two below the count (C2.4).
pub fn merkle(node_tag: &str, leaves: &[Hash]) -> Hash {
    match leaves {
        [] => [0; 32],
        [one] => *one,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            h(node_tag, &[&merkle(node_tag, left), &merkle(node_tag, right)])
        }
    }
}

/// `{"kind":"Variant", ..}` of the vectors as serde has enums: `"Variant"`, or `{"Variant": payload}`.
pub fn tagged(input: &Value) -> Value {
    match input {
        Value::Array(list) => Value::Array(list.iter().map(tagged).collect()),
        Value::Object(fields) => {
            let mut rest: Map<String, Value> = fields.iter().map(|(k, v)| (k.clone(), tagged(v))).collect();
            let Some(Value::String(kind)) = fields.get("kind") else {
                return Value::Object(rest);
            };
            rest.remove("kind");
            if rest.is_empty() {
                return Value::String(kind.clone());
            }
            let payload = match (rest.len(), rest.get("value")) {
                (1, Some(value)) => value.clone(),
                _ => Value::Object(rest),
            };
            Value::Object(Map::from_iter([(kind.clone(), payload)]))
        }
        other => other.clone(),
    }
}

/// The value that a vector's `input` means.
pub fn from_input<T: DeserializeOwned>(input: &Value) -> Result<T, serde_json::Error> {
    serde_json::from_value(tagged(input))
}
