//! BLS12-381 with signatures in G1, on points that were checked when they were loaded.
//!
//! blst's own `verify` functions hand work to a pool of threads; `Pairing` is
//! used instead, so that no thread starts behind the caller's back.

use blst::{
    BLST_ERROR, Pairing, blst_fp12, blst_p1_affine, blst_p2_affine,
    min_sig::{AggregatePublicKey, AggregateSignature, PublicKey, SecretKey, Signature},
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

pub struct Item<'a> {
    pub key: &'a PublicKey,
    pub msg: &'a [u8],
}

pub struct Signed<'a> {
    pub key: &'a PublicKey,
    pub msg: &'a [u8],
    pub sig: &'a Signature,
}

fn dst_is_legal(dst: &[u8]) -> bool {
    (1..=255).contains(&dst.len())
}

fn secret(bytes: &[u8; 32]) -> Option<SecretKey> {
    SecretKey::from_bytes(bytes).ok() // refuses 0 and >= r
}

pub fn keygen(ikm: &[u8], info: &[u8]) -> Option<[u8; 32]> {
    SecretKey::key_gen(ikm, info).ok().map(|sk| sk.to_bytes())
}

pub fn public(bytes: &[u8; 32]) -> Option<PublicKey> {
    secret(bytes).map(|sk| sk.sk_to_pk())
}

pub fn sign(bytes: &[u8; 32], dst: &[u8], msg: &[u8]) -> Option<Signature> {
    if !dst_is_legal(dst) {
        return None;
    }
    secret(bytes).map(|sk| sk.sign(msg, dst, &[]))
}

pub fn key_load(bytes: &[u8; 96]) -> Option<PublicKey> {
    let key = PublicKey::uncompress(bytes).ok()?;
    key.validate().ok()?; // not the identity, in the subgroup
    Some(key)
}

pub fn sig_load(bytes: &[u8; 48]) -> Option<Signature> {
    let sig = Signature::uncompress(bytes).ok()?;
    sig.validate(true).ok()?;
    Some(sig)
}

pub fn sig_load_raw(bytes: &[u8; 96]) -> Option<Signature> {
    let sig = Signature::deserialize(bytes).ok()?;
    sig.validate(true).ok()?;
    // blst ignores nothing here, but one encoding per point is our rule, so hold it to that.
    (sig.serialize() == *bytes).then_some(sig)
}

/// A point of the curve, the identity included, its subgroup not tested: for sums, which are tested.
pub fn sig_load_part(bytes: &[u8; 96]) -> Option<Signature> {
    let sig = Signature::deserialize(bytes).ok()?;
    (sig.serialize() == *bytes).then_some(sig)
}

pub fn key_sum(keys: &[&PublicKey]) -> Option<PublicKey> {
    let sum = AggregatePublicKey::aggregate(keys, false).ok()?.to_public_key(); // refuses an empty list
    sum.validate().ok()?;
    Some(sum)
}

pub fn sig_sum(sigs: &[&Signature]) -> Option<Signature> {
    let sum = AggregateSignature::aggregate(sigs, false).ok()?.to_signature();
    sum.validate(true).ok()?;
    Some(sum)
}

pub fn verify(key: &PublicKey, dst: &[u8], msg: &[u8], sig: &Signature) -> bool {
    verify_distinct(&[Item { key, msg }], dst, sig)
}

pub fn verify_same(keys: &[&PublicKey], dst: &[u8], msg: &[u8], sig: &Signature) -> bool {
    key_sum(keys).is_some_and(|sum| verify(&sum, dst, msg, sig))
}

pub fn verify_distinct(items: &[Item<'_>], dst: &[u8], sig: &Signature) -> bool {
    if items.is_empty() || !dst_is_legal(dst) {
        return false;
    }
    let mut pairing = Pairing::new(true, dst);
    let no_sig: Option<&'static blst_p1_affine> = None;
    for item in items {
        let key: &blst_p2_affine = item.key.into();
        if pairing.aggregate(key, false, &no_sig, false, item.msg, &[]) != BLST_ERROR::BLST_SUCCESS {
            return false;
        }
    }
    pairing.commit();
    let mut rhs = blst_fp12::default();
    Pairing::aggregated(&mut rhs, &blst_p1_affine::from(*sig));
    pairing.finalverify(Some(&rhs))
}

pub fn verify_many(items: &[Signed<'_>], dst: &[u8], seed: &[u8; 32]) -> bool {
    if !dst_is_legal(dst) {
        return false;
    }
    if items.is_empty() {
        return true;
    }
    // As for Ed25519: coefficients nobody knows before the items are fixed.
    let mut hash = Sha256::new();
    hash.update(b"dmgn_bls_verify_many");
    hash.update(seed);
    for item in items {
        hash.update(item.key.serialize());
        hash.update(item.sig.serialize());
        hash.update((item.msg.len() as u64).to_le_bytes());
        hash.update(item.msg);
    }
    let mut rng = ChaCha20Rng::from_seed(hash.finalize().into());

    let mut pairing = Pairing::new(true, dst);
    for item in items {
        let key: &blst_p2_affine = item.key.into();
        let sig: &blst_p1_affine = item.sig.into();
        let coefficient = (rng.next_u64() | 1).to_le_bytes(); // never zero
        if pairing.mul_n_aggregate(key, false, sig, false, &coefficient, 64, item.msg, &[]) != BLST_ERROR::BLST_SUCCESS
        {
            return false;
        }
    }
    pairing.commit();
    pairing.finalverify(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DST: &[u8] = b"DMG-V1-TEST-BLS12381G1_XMD:SHA-256_SSWU_RO_";

    fn hex<const N: usize>(s: &str) -> [u8; N] {
        assert_eq!(s.len(), 2 * N);
        std::array::from_fn(|i| u8::from_str_radix(&s[2 * i..2 * i + 2], 16).unwrap())
    }

    fn keys(n: u8) -> Vec<([u8; 32], PublicKey)> {
        (0..n)
            .map(|i| {
                let sk = keygen(&[i + 1; 32], b"").unwrap();
                (sk, public(&sk).unwrap())
            })
            .collect()
    }

    #[test]
    fn keygen_equals_eip2333_master_key() {
        // EIP-2333 test case 0: its master key is KeyGen(seed, "").
        let seed: [u8; 64] = hex(
            "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04",
        );
        let sk = keygen(&seed, b"").unwrap();
        // 6083874454709270928345386274498605044986640685124978867557563392430687146096
        assert_eq!(
            sk,
            hex("0d7359d57963ab8fbbde1852dcf553fedbc31f464d80ee7d40ae683122b45070")
        );
        assert!(keygen(&[1; 31], b"").is_none());
    }

    /// A signature of another implementation: drand's quicknet, round 1000.
    #[test]
    fn foreign_signature_verifies() {
        let key = key_load(&hex(
            "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
        ))
        .unwrap();
        let sig = sig_load(&hex(
            "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
        ))
        .unwrap();
        let dst = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
        let msg = |round: u64| Sha256::digest(round.to_be_bytes());
        assert!(verify(&key, dst, &msg(1000), &sig));
        assert!(!verify(&key, dst, &msg(1001), &sig));
        assert!(!verify(&key, DST, &msg(1000), &sig));
    }

    #[test]
    fn secret_zero_and_order_are_refused() {
        let r = hex("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");
        for bad in [[0; 32], r, [0xff; 32]] {
            assert!(public(&bad).is_none());
            assert!(sign(&bad, DST, b"m").is_none());
        }
        let mut one = [0; 32];
        one[31] = 1;
        assert!(public(&one).is_some());
        assert!(sign(&one, b"", b"m").is_none());
        assert!(sign(&one, &[b'x'; 256], b"m").is_none());
    }

    #[test]
    fn identity_and_bad_encodings_are_refused() {
        let mut key = [0; 96];
        key[0] = 0xc0;
        assert!(key_load(&key).is_none());
        let mut sig = [0; 48];
        sig[0] = 0xc0;
        assert!(sig_load(&sig).is_none());
        let mut raw = [0; 96];
        raw[0] = 0x40;
        assert!(sig_load_raw(&raw).is_none());

        let (sk, pk) = keys(1)[0];
        let sig = sign(&sk, DST, b"m").unwrap();
        assert_eq!(key_load(&pk.compress()), Some(pk));
        assert_eq!(sig_load(&sig.compress()), Some(sig));
        assert_eq!(sig_load_raw(&sig.serialize()), Some(sig));
        // No compression bit, an uncompressed point where a compressed one is due, x >= p.
        let mut bytes = sig.compress();
        bytes[0] &= 0x7f;
        assert!(sig_load(&bytes).is_none());
        assert!(sig_load(&[0xff; 48]).is_none());
        assert!(key_load(&[0xff; 96]).is_none());
        let mut bytes = sig.serialize();
        bytes[95] ^= 1; // off the curve
        assert!(sig_load_raw(&bytes).is_none());
        let mut bytes = sig.serialize();
        bytes[0] |= 0x20; // the sort bit has no meaning without the compression bit
        assert!(sig_load_raw(&bytes).is_none());
    }

    /// Points on the curve but outside the subgroup: nearly every x that has a y.
    #[test]
    fn points_outside_the_subgroup_are_refused() {
        let (mut g1, mut g2) = (0, 0);
        for x in 0..64 {
            let mut sig = [0; 48];
            sig[0] = 0x80;
            sig[47] = x;
            if let Ok(p) = Signature::uncompress(&sig) {
                g1 += 1;
                assert!(sig_load(&sig).is_none() && sig_load_raw(&p.serialize()).is_none());
                // A summand may be any point of the curve, the sum may not.
                let part = sig_load_part(&p.serialize()).unwrap();
                let good = sign(&[7; 32], DST, b"m").unwrap();
                assert!(part == p && sig_sum(&[&part]).is_none() && sig_sum(&[&good, &part]).is_none());
                assert!(sig_sum(&[&good, &part, &part]).is_none());
            }
            let mut key = [0; 96];
            key[0] = 0x80;
            key[95] = x;
            if PublicKey::uncompress(&key).is_ok() {
                g2 += 1;
                assert!(key_load(&key).is_none());
            }
        }
        assert!(g1 > 10 && g2 > 10);
    }

    #[test]
    fn aggregates_verify_and_miss_nobody() {
        let keys = keys(7);
        let sigs: Vec<Signature> = keys.iter().map(|(sk, _)| sign(sk, DST, b"m").unwrap()).collect();
        let sum = sig_sum(&sigs.iter().collect::<Vec<_>>()).unwrap();
        let pks: Vec<&PublicKey> = keys.iter().map(|(_, pk)| pk).collect();
        assert!(verify_same(&pks, DST, b"m", &sum));
        assert!(!verify_same(&pks[1..], DST, b"m", &sum));
        assert!(!verify_same(&pks, DST, b"n", &sum));
        assert!(!verify_same(&pks, b"other", b"m", &sum));
        assert!(!verify_same(&[], DST, b"m", &sum));
        assert!(sig_sum(&[]).is_none() && key_sum(&[]).is_none());
        assert!(verify(&key_sum(&pks).unwrap(), DST, b"m", &sum));

        let msgs: Vec<Vec<u8>> = (0..7u8).map(|i| vec![i / 2; i as usize]).collect(); // two of them equal
        let sigs: Vec<Signature> = keys
            .iter()
            .zip(&msgs)
            .map(|((sk, _), m)| sign(sk, DST, m).unwrap())
            .collect();
        let sum = sig_sum(&sigs.iter().collect::<Vec<_>>()).unwrap();
        let items = |skip: usize| -> Vec<Item> {
            let all = pks.iter().zip(&msgs).enumerate();
            all.filter(|(i, _)| *i != skip)
                .map(|(_, (key, msg))| Item { key, msg })
                .collect()
        };
        assert!(verify_distinct(&items(7), DST, &sum));
        for skip in 0..7 {
            assert!(!verify_distinct(&items(skip), DST, &sum));
        }
        assert!(!verify_distinct(&[], DST, &sum));
    }

    /// P - P: two signatures (or keys) whose sum is the identity.
    #[test]
    fn identity_sums_are_refused() {
        let (sk, pk) = keys(1)[0];
        let sig = sign(&sk, DST, b"m").unwrap();
        let mut minus = sig.compress();
        minus[0] ^= 0x20; // the sort bit negates
        let minus = sig_load(&minus).unwrap();
        assert!(sig_sum(&[&sig, &minus]).is_none());
        let mut minus = pk.compress();
        minus[0] ^= 0x20;
        let minus = key_load(&minus).unwrap();
        assert!(key_sum(&[&pk, &minus]).is_none());
        assert!(!verify_same(&[&pk, &minus], DST, b"m", &sig));
    }

    /// Many: two bad signatures whose errors cancel in a plain sum are still refused.
    #[test]
    fn many_refuses_what_a_plain_sum_accepts() {
        let keys = keys(4);
        let mut sigs: Vec<Signature> = keys.iter().map(|(sk, _)| sign(sk, DST, b"m").unwrap()).collect();
        let many = |sigs: &[Signature]| {
            let items: Vec<Signed> = keys
                .iter()
                .zip(sigs)
                .map(|((_, key), sig)| Signed { key, msg: b"m", sig })
                .collect();
            verify_many(&items, DST, &[5; 32])
        };
        assert!(many(&sigs));
        let extra = sign(&keys[3].0, DST, b"x").unwrap();
        let mut minus = extra.compress();
        minus[0] ^= 0x20;
        sigs[0] = sig_sum(&[&sigs[0], &extra]).unwrap();
        sigs[1] = sig_sum(&[&sigs[1], &sig_load(&minus).unwrap()]).unwrap();
        let pks: Vec<&PublicKey> = keys.iter().map(|(_, pk)| pk).collect();
        assert!(verify_same(
            &pks,
            DST,
            b"m",
            &sig_sum(&sigs.iter().collect::<Vec<_>>()).unwrap()
        ));
        assert!(!many(&sigs));
        assert!(verify_many(&[], DST, &[0; 32]));
    }

    #[test]
    #[ignore = "prints figures"]
    fn figures() {
        let (sk, pk) = keys(1)[0];
        let sig = sign(&sk, DST, b"m").unwrap();
        let time = |name: &str, f: &dyn Fn()| {
            let t = std::time::Instant::now();
            for _ in 0..200 {
                f();
            }
            println!("{name}: {:.1} us", t.elapsed().as_secs_f64() * 1e6 / 200.0);
        };
        time("key_load", &|| assert!(key_load(&pk.compress()).is_some()));
        time("sig_load", &|| assert!(sig_load(&sig.compress()).is_some()));
        time("sig_load_raw", &|| assert!(sig_load_raw(&sig.serialize()).is_some()));
        time("sign", &|| assert!(sign(&sk, DST, b"m").is_some()));
        time("verify", &|| assert!(verify(&pk, DST, b"m", &sig)));
        time("key_sum of 128", &|| assert!(key_sum(&[&pk; 128]).is_some()));
        let items = || {
            (0..64)
                .map(|_| Signed {
                    key: &pk,
                    msg: b"m",
                    sig: &sig,
                })
                .collect::<Vec<_>>()
        };
        time("verify_many of 64", &|| assert!(verify_many(&items(), DST, &[0; 32])));
    }
}
