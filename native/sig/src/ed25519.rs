//! Single and batch verification with one accept set.

use ed25519_zebra::{Signature, SigningKey, VerificationKey, VerificationKeyBytes, batch};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use sha2::{Digest, Sha256};

/// Most signatures of one multi-scalar multiplication.  64 cost a quarter more each (Pippenger's method sets in at 190
/// points), twice as many gain 5 %, and a bad one makes all of its chunk be verified singly.
const CHUNK: usize = 128;

pub struct Item<'a> {
    pub key: [u8; 32],
    pub sig: [u8; 64],
    pub msg: &'a [u8],
}

pub fn public(seed: &[u8; 32]) -> [u8; 32] {
    VerificationKeyBytes::from(&SigningKey::from(*seed)).into()
}

pub fn sign(seed: &[u8; 32], msg: &[u8]) -> [u8; 64] {
    SigningKey::from(*seed).sign(msg).to_bytes()
}

pub fn verify(key: &[u8; 32], msg: &[u8], sig: &[u8; 64]) -> bool {
    VerificationKey::try_from(*key).is_ok_and(|key| key.verify(&Signature::from(*sig), msg).is_ok())
}

/// Calls `valid(i)` for every valid item, in no particular order.
pub fn verify_batch(items: &[Item<'_>], seed: &[u8; 32], mut valid: impl FnMut(usize)) {
    // The coefficients must not be known before the signatures are fixed, or a
    // forger cancels one bad signature by another: the seed alone would have to
    // be secret, so the items are hashed with it.
    let mut hash = Sha256::new();
    hash.update(b"dmgn_ed25519_verify_batch");
    hash.update(seed);
    for item in items {
        hash.update(item.key);
        hash.update(item.sig);
        hash.update((item.msg.len() as u64).to_le_bytes());
        hash.update(item.msg);
    }
    let mut rng = ChaCha20Rng::from_seed(hash.finalize().into());

    // Chunks of one size: a small rest would cost twice as much a signature.
    let chunk_sz = items.len().div_ceil(items.len().div_ceil(CHUNK).max(1)).max(1);
    for (chunk_idx, chunk) in items.chunks(chunk_sz).enumerate() {
        let queued: Vec<batch::Item> = chunk
            .iter()
            .map(|item| {
                batch::Item::from((
                    VerificationKeyBytes::from(item.key),
                    Signature::from(item.sig),
                    item.msg,
                ))
            })
            .collect();
        let mut verifier = batch::Verifier::new();
        for item in &queued {
            verifier.queue(item.clone());
        }
        // A signature of a batch costs near half of a single one, so halving a bad
        // chunk costs as much as doing its singles at once, and more when two are bad.
        let all_valid = verifier.verify(&mut rng).is_ok();
        for (i, item) in queued.into_iter().enumerate() {
            if all_valid || item.verify_single().is_ok() {
                valid(chunk_idx * chunk_sz + i);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::{constants::EIGHT_TORSION, edwards::CompressedEdwardsY, scalar::Scalar};
    use rand_core::Rng;

    fn bytes<const N: usize>(rng: &mut ChaCha20Rng) -> [u8; N] {
        let mut out = [0; N];
        rng.fill_bytes(&mut out);
        out
    }

    fn rng(name: &str) -> ChaCha20Rng {
        let seed = std::env::var("DMG_TEST_SEED")
            .ok()
            .and_then(|s| s.parse().ok())
            .unwrap_or_else(|| std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64);
        println!("{name}: DMG_TEST_SEED={seed}");
        ChaCha20Rng::seed_from_u64(seed)
    }

    fn batch_of(items: &[Item<'_>], seed: [u8; 32]) -> Vec<bool> {
        let mut ok = vec![false; items.len()];
        verify_batch(items, &seed, |i| ok[i] = true);
        ok
    }

    /// The 14 encodings of small-order points: 8 canonical, 6 not.
    fn small_order() -> Vec<[u8; 32]> {
        let mut out: Vec<[u8; 32]> = EIGHT_TORSION.iter().map(|p| p.compress().to_bytes()).collect();
        let mut p_minus_1 = [0xff; 32]; // y = -1 with the sign bit of x = 0 set
        p_minus_1[0] = 0xec;
        let mut one = [0; 32]; // y = 1 with the sign bit set
        one[0] = 1;
        one[31] = 0x80;
        out.extend([p_minus_1, one]);
        for low in [0xed, 0xee] {
            // y = p, y = p + 1
            for top in [0x7f, 0xff] {
                let mut e = [0xff; 32];
                e[0] = low;
                e[31] = top;
                out.push(e);
            }
        }
        for e in &out {
            assert!(CompressedEdwardsY(*e).decompress().unwrap().is_small_order());
        }
        assert_eq!(out.len(), 14);
        out
    }

    #[test]
    fn rfc8032_vectors() {
        let h = |s: &str| -> Vec<u8> {
            (0..s.len() / 2)
                .map(|i| u8::from_str_radix(&s[2 * i..2 * i + 2], 16).unwrap())
                .collect()
        };
        for (seed, key, msg, sig) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ] {
            let seed: [u8; 32] = h(seed).try_into().unwrap();
            assert_eq!(public(&seed).to_vec(), h(key));
            assert_eq!(sign(&seed, &h(msg)).to_vec(), h(sig));
            assert!(verify(&public(&seed), &h(msg), &h(sig).try_into().unwrap()));
        }
    }

    /// ZIP 215 accepts every pair of small-order A and R with s = 0, alone and in any batch.
    #[test]
    fn small_order_matrix_is_accepted_by_single_and_batch() {
        let points = small_order();
        let mut items = Vec::new();
        for a in &points {
            for r in &points {
                let mut sig = [0; 64];
                sig[..32].copy_from_slice(r);
                assert!(verify(a, b"Zcash", &sig));
                items.push(Item {
                    key: *a,
                    sig,
                    msg: b"Zcash",
                });
            }
        }
        assert_eq!(items.len(), 196);
        assert!(batch_of(&items, [7; 32]).iter().all(|ok| *ok));
        for item in items {
            assert_eq!(batch_of(&[item], [0; 32]), [true]);
        }
    }

    /// The same points with s = 1 are all refused, s = l (not canonical) too.
    #[test]
    fn small_order_with_another_s_is_refused() {
        let l: [u8; 32] = {
            let mut l = (-Scalar::ONE).to_bytes(); // l - 1
            l[0] += 1;
            l
        };
        for s in [Scalar::ONE.to_bytes(), l] {
            let mut items = Vec::new();
            for a in small_order() {
                for r in small_order() {
                    let mut sig = [0; 64];
                    sig[..32].copy_from_slice(&r);
                    sig[32..].copy_from_slice(&s);
                    assert!(!verify(&a, b"Zcash", &sig));
                    items.push(Item {
                        key: a,
                        sig,
                        msg: b"Zcash",
                    });
                }
            }
            assert!(!batch_of(&items, [7; 32]).iter().any(|ok| *ok));
        }
    }

    /// A key or R with a torsion part passes by the cofactored equation, where dalek's single check refuses.
    #[test]
    fn mixed_order_points_agree() {
        let mut rng = rng("mixed_order_points_agree");
        let mut items = Vec::new();
        for torsion in EIGHT_TORSION {
            let x = Scalar::from_bytes_mod_order(bytes(&mut rng));
            let nonce = Scalar::from_bytes_mod_order(bytes(&mut rng));
            for (ta, tr) in [
                (torsion, EIGHT_TORSION[0]),
                (EIGHT_TORSION[0], torsion),
                (torsion, torsion),
            ] {
                let key = (x * curve25519_dalek::constants::ED25519_BASEPOINT_POINT + ta)
                    .compress()
                    .to_bytes();
                let r = (nonce * curve25519_dalek::constants::ED25519_BASEPOINT_POINT + tr)
                    .compress()
                    .to_bytes();
                let mut h = sha2::Sha512::new();
                h.update(r);
                h.update(key);
                h.update(b"m");
                let k = Scalar::from_bytes_mod_order_wide(&h.finalize().into());
                let mut sig = [0; 64];
                sig[..32].copy_from_slice(&r);
                sig[32..].copy_from_slice((nonce + k * x).as_bytes());
                assert!(verify(&key, b"m", &sig));
                items.push(Item { key, sig, msg: b"m" });
            }
        }
        assert!(batch_of(&items, [1; 32]).iter().all(|ok| *ok));
    }

    /// Two wrong signatures whose errors cancel under equal coefficients.
    #[test]
    fn cancelling_forgeries_are_refused() {
        let seeds = [[1; 32], [2; 32], [3; 32], [4; 32]];
        let mut items: Vec<Item> = seeds
            .iter()
            .map(|s| Item {
                key: public(s),
                sig: sign(s, b"m"),
                msg: b"m",
            })
            .collect();
        for (idx, delta) in [(0, Scalar::ONE), (1, -Scalar::ONE)] {
            let s = Scalar::from_canonical_bytes(items[idx].sig[32..].try_into().unwrap()).unwrap() + delta;
            items[idx].sig[32..].copy_from_slice(s.as_bytes());
        }
        assert_eq!(batch_of(&items, [0; 32]), [false, false, true, true]);
    }

    fn random_agrees(name: &str, total: usize) {
        let mut rng = rng(name);
        let small = small_order();
        let seeds: Vec<[u8; 32]> = (0..64).map(|_| bytes(&mut rng)).collect();
        let msgs: Vec<Vec<u8>> = (0..64).map(|i| vec![i as u8; i * 5]).collect();
        let mut done = 0;
        let (mut good, mut bad) = (0, 0);
        while done < total {
            let n = (rng.next_u32() % 300) as usize;
            let bad_in_256 = [0, 0, 1, 4, 64, 256][(rng.next_u32() % 6) as usize];
            let items: Vec<Item> = (0..n)
                .map(|_| {
                    let seed = &seeds[(rng.next_u32() % 64) as usize];
                    let msg = &msgs[(rng.next_u32() % 64) as usize];
                    let mut item = Item {
                        key: public(seed),
                        sig: sign(seed, msg),
                        msg,
                    };
                    if rng.next_u32() % 256 < bad_in_256 {
                        let at = (rng.next_u32() % 64) as usize;
                        match rng.next_u32() % 6 {
                            0 => item.sig[at] ^= 1 << (rng.next_u32() % 8),
                            1 => item.key[at / 2] ^= 1 << (rng.next_u32() % 8),
                            2 => item.msg = b"another",
                            3 => item.key = small[at % 14],
                            4 => item.sig[..32].copy_from_slice(&small[at % 14]),
                            _ => item.sig = bytes(&mut rng),
                        }
                    }
                    item
                })
                .collect();
            let ok = batch_of(&items, bytes(&mut rng));
            for (item, ok) in items.iter().zip(ok) {
                assert_eq!(verify(&item.key, item.msg, &item.sig), ok);
                if ok { good += 1 } else { bad += 1 }
            }
            done += n;
        }
        println!("{name}: {good} valid, {bad} not");
        assert!(good > 0 && bad > 0);
    }

    #[test]
    fn batch_equals_single_on_random_items() {
        random_agrees("batch_equals_single_on_random_items", 6_000);
    }

    #[test]
    #[ignore = "one million signatures, about two minutes"]
    fn batch_equals_single_on_a_million_items() {
        random_agrees("batch_equals_single_on_a_million_items", 1_000_000);
    }

    #[test]
    #[ignore = "prints figures"]
    fn figures() {
        let msg = [9; 143];
        let items: Vec<Item> = (0..1024u32)
            .map(|i| {
                let mut s = [0; 32];
                s[..4].copy_from_slice(&i.to_le_bytes());
                Item {
                    key: public(&s),
                    sig: sign(&s, &msg),
                    msg: &msg,
                }
            })
            .collect();
        let time = |name: &str, n: usize, f: &dyn Fn()| {
            let t = std::time::Instant::now();
            f();
            println!(
                "{name}: {:.1} us a signature",
                t.elapsed().as_secs_f64() * 1e6 / n as f64
            );
        };
        time("single", 1024, &|| {
            assert!(items.iter().all(|i| verify(&i.key, i.msg, &i.sig)))
        });
        for n in [16, 64, 128, 256, 1024] {
            time(&format!("batch of {n}"), 1024, &|| {
                for c in items.chunks(n) {
                    assert!(batch_of(c, [0; 32]).iter().all(|ok| *ok));
                }
            });
        }
        for every in [128, 32, 8, 2, 1] {
            let broken: Vec<Item> = items
                .iter()
                .enumerate()
                .map(|(i, it)| Item {
                    key: it.key,
                    sig: if i % every == 0 { [1; 64] } else { it.sig },
                    msg: it.msg,
                })
                .collect();
            time(&format!("1 bad in {every}"), 1024, &|| {
                batch_of(&broken, [0; 32]);
            });
        }
    }
}
