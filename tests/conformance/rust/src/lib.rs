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
use std::cmp::Reverse;

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

pub fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
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

/// What a leaf and its path, lowest level first, come to (C2.4).
pub fn root_by_path(node_tag: &str, leaf: Hash, path: &[types::PathStep]) -> Hash {
    path.iter().fold(leaf, |node, step| match step.is_left {
        true => h(node_tag, &[&step.sibling.0, &node]),
        false => h(node_tag, &[&node, &step.sibling.0]),
    })
}

/// C3.3: which validator leads each of the 4,096 windows of cycle `cycle`.
pub fn cycle(seed: &Hash, cycle: u32, weights: &[u64]) -> Vec<usize> {
    const WINDOWS: u128 = 4096;
    let total: u128 = weights.iter().copied().map(u128::from).sum();
    let product = |i: usize| WINDOWS * u128::from(weights[i]);
    let mut by_rest: Vec<usize> = (0..weights.len()).collect();
    by_rest.sort_by_key(|&i| (Reverse(product(i) % total), i));
    let given: u128 = (0..weights.len()).map(|i| product(i) / total).sum();
    let favoured = &by_rest[..(WINDOWS - given) as usize];
    let mut list: Vec<usize> = (0..weights.len())
        .flat_map(|i| {
            let windows = (product(i) / total) as usize + usize::from(favoured.contains(&i));
            std::iter::repeat_n(i, windows)
        })
        .collect();

    let mut words = (0u32..).flat_map(|block| {
        let hash = h("dmg/shuffle/v1", &[seed, &cycle.to_le_bytes(), &block.to_le_bytes()]);
        (0..8).map(move |i| u32::from_le_bytes([hash[4 * i], hash[4 * i + 1], hash[4 * i + 2], hash[4 * i + 3]]))
    });
    for j in (1..list.len()).rev() {
        let choices = j as u64 + 1;
        let end = (1 << 32) - (1 << 32) % choices;
        let x = words.by_ref().map(u64::from).find(|&x| x < end).expect("2^35 words");
        list.swap(j, (x % choices) as usize);
    }
    list
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
