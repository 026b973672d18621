//! Numbers, bytes, text and lists with their two forms: BCS and the vectors' JSON.
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeTuple};
use std::{collections::BTreeMap, fmt::Display, str::FromStr};

/// A wide integer: a decimal string in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Wide<T>(pub T);

impl<'de, T> Deserialize<'de> for Wide<T>
where
    T: Deserialize<'de> + FromStr,
    T::Err: Display,
{
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if !d.is_human_readable() {
            return T::deserialize(d).map(Wide);
        }
        String::deserialize(d)?.parse().map(Wide).map_err(de::Error::custom)
    }
}

/// R2.2: a u64 up to 2^63 - 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Amount(pub u64);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Wide(v) = Wide::<u64>::deserialize(d)?;
        if v > i64::MAX as u64 {
            return Err(de::Error::custom("an amount above 2^63 - 1"));
        }
        Ok(Amount(v))
    }
}

/// Exactly N bytes, no length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed<const N: usize>(pub [u8; N]);

impl<const N: usize> Serialize for Fixed<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut tuple = s.serialize_tuple(N)?;
        for byte in &self.0 {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}

struct FixedBytes<const N: usize>;

impl<'de, const N: usize> de::Visitor<'de> for FixedBytes<N> {
    type Value = Fixed<N>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Fixed<N>, A::Error> {
        let mut out = [0; N];
        for (i, byte) in out.iter_mut().enumerate() {
            *byte = seq.next_element()?.ok_or_else(|| de::Error::invalid_length(i, &self))?;
        }
        Ok(Fixed(out))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Fixed<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if !d.is_human_readable() {
            return d.deserialize_tuple(N, FixedBytes);
        }
        let bytes = unhex::<D::Error>(&String::deserialize(d)?)?;
        let cnt = bytes.len();
        bytes
            .try_into()
            .map(Fixed)
            .map_err(|_| de::Error::invalid_length(cnt, &FixedBytes::<N>))
    }
}

fn unhex<E: de::Error>(text: &str) -> Result<Vec<u8>, E> {
    let digits = text.strip_prefix("0x").ok_or_else(|| E::custom("no 0x"))?;
    hex::decode(digits).map_err(E::custom)
}

fn bounded<E: de::Error>(what: &str, cnt: usize, min: usize, max: usize) -> Result<(), E> {
    if cnt < min || cnt > max {
        return Err(E::custom(format!("{cnt} {what}, {min} to {max} are allowed")));
    }
    Ok(())
}

/// A byte string of at most MAX bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bytes<const MAX: usize>(pub Vec<u8>);

impl<'de, const MAX: usize> Deserialize<'de> for Bytes<MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let bytes = if d.is_human_readable() {
            unhex::<D::Error>(&String::deserialize(d)?)?
        } else {
            Vec::deserialize(d)?
        };
        bounded("bytes", bytes.len(), 0, MAX)?;
        Ok(Bytes(bytes))
    }
}

/// UTF-8 of at most MAX bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Text<const MAX: usize>(pub String);

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        bounded("bytes of text", text.len(), 0, MAX)?;
        Ok(Text(text))
    }
}

/// MIN to MAX values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct List<T, const MIN: usize, const MAX: usize>(pub Vec<T>);

impl<'de, T: Deserialize<'de>, const MIN: usize, const MAX: usize> Deserialize<'de> for List<T, MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let list = Vec::deserialize(d)?;
        bounded("values", list.len(), MIN, MAX)?;
        Ok(List(list))
    }
}

/// A map: pairs in JSON, in any order; by the bytes of the keys in BCS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pairs<K: Ord, V, const MAX: usize>(pub BTreeMap<K, V>);

impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Pairs<K, V, MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let map: BTreeMap<K, V> = if d.is_human_readable() {
            Vec::<(K, V)>::deserialize(d)?.into_iter().collect()
        } else {
            BTreeMap::deserialize(d)?
        };
        bounded("pairs", map.len(), 0, MAX)?;
        Ok(Pairs(map))
    }
}
