//! The C side.  `include/dmgn_sig.h` is the manual; its contract (valid
//! pointers, sizes as named, outputs not aliased) is what every SAFETY line relies on.
#![allow(unsafe_code, clippy::missing_safety_doc)]

use crate::{bls, ed25519};
use blst::min_sig::{PublicKey, Signature};
use std::mem::{align_of, size_of};

// dmgn_bls_key_t and dmgn_bls_sig_t are these, seen from C.
const _: () = assert!(size_of::<PublicKey>() == 192 && align_of::<PublicKey>() == 8);
const _: () = assert!(size_of::<Signature>() == 96 && align_of::<Signature>() == 8);

#[repr(C)]
pub struct DmgnEd25519Item {
    key: *const [u8; 32],
    sig: *const [u8; 64],
    msg: *const u8,
    msg_sz: usize,
}

#[repr(C)]
pub struct DmgnBlsItem {
    key: *const PublicKey,
    msg: *const u8,
    msg_sz: usize,
}

#[repr(C)]
pub struct DmgnBlsSigned {
    key: *const PublicKey,
    msg: *const u8,
    msg_sz: usize,
    sig: *const Signature,
}

/// A C pointer and count as a slice; NULL is allowed for count 0.
unsafe fn slice<'a, T>(ptr: *const T, cnt: usize) -> &'a [T] {
    if cnt == 0 {
        return &[];
    }
    // SAFETY: the header demands cnt readable elements at ptr.
    unsafe { std::slice::from_raw_parts(ptr, cnt) }
}

/// Writes a result, or leaves the output untouched.
unsafe fn put<T>(out: *mut T, value: Option<T>) -> bool {
    match value {
        Some(value) => {
            // SAFETY: the header demands a writable T at out.
            unsafe { out.write(value) };
            true
        }
        None => false,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_ed25519_public(seed: *const [u8; 32], out_key: *mut [u8; 32]) {
    // SAFETY: sizes as in the header.
    unsafe { out_key.write(ed25519::public(&*seed)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_ed25519_sign(
    seed: *const [u8; 32],
    msg: *const u8,
    msg_sz: usize,
    out_sig: *mut [u8; 64],
) {
    // SAFETY: sizes as in the header.
    unsafe { out_sig.write(ed25519::sign(&*seed, slice(msg, msg_sz))) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_ed25519_verify(
    key: *const [u8; 32],
    msg: *const u8,
    msg_sz: usize,
    sig: *const [u8; 64],
) -> bool {
    // SAFETY: sizes as in the header.
    unsafe { ed25519::verify(&*key, slice(msg, msg_sz), &*sig) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_ed25519_verify_batch(
    items: *const DmgnEd25519Item,
    item_cnt: usize,
    seed: *const [u8; 32],
    out_ok: *mut u8,
) -> usize {
    // SAFETY: item_cnt items, each with pointers as in the header.
    let items: Vec<ed25519::Item<'_>> = unsafe { slice(items, item_cnt) }
        .iter()
        .map(|item| {
            // SAFETY: as above.
            unsafe {
                ed25519::Item {
                    key: *item.key,
                    sig: *item.sig,
                    msg: slice(item.msg, item.msg_sz),
                }
            }
        })
        .collect();
    let mut bits = vec![0u8; item_cnt.div_ceil(8)];
    let mut valid_cnt = 0;
    // SAFETY: seed is 32 readable bytes.
    ed25519::verify_batch(&items, unsafe { &*seed }, |i| {
        if let Some(byte) = bits.get_mut(i / 8) {
            *byte |= 1 << (i % 8);
            valid_cnt += 1;
        }
    });
    // SAFETY: out_ok has (item_cnt+7)/8 bytes; it may be NULL when that is 0, then nothing is copied.
    unsafe { out_ok.copy_from(bits.as_ptr(), bits.len()) };
    valid_cnt
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_keccak256(data: *const u8, data_sz: usize, out_hash: *mut [u8; 32]) {
    // SAFETY: sizes as in the header.
    unsafe { out_hash.write(crate::keccak256(slice(data, data_sz))) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_keygen(
    ikm: *const u8,
    ikm_sz: usize,
    info: *const u8,
    info_sz: usize,
    out_secret: *mut [u8; 32],
) -> bool {
    // SAFETY: sizes as in the header.
    unsafe { put(out_secret, bls::keygen(slice(ikm, ikm_sz), slice(info, info_sz))) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_public(secret: *const [u8; 32], out_key: *mut PublicKey) -> bool {
    // SAFETY: sizes as in the header.
    unsafe { put(out_key, bls::public(&*secret)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_sign(
    secret: *const [u8; 32],
    dst: *const u8,
    dst_sz: usize,
    msg: *const u8,
    msg_sz: usize,
    out_sig: *mut Signature,
) -> bool {
    // SAFETY: sizes as in the header.
    unsafe { put(out_sig, bls::sign(&*secret, slice(dst, dst_sz), slice(msg, msg_sz))) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_key_load(bytes: *const [u8; 96], out_key: *mut PublicKey) -> bool {
    // SAFETY: sizes as in the header.
    unsafe { put(out_key, bls::key_load(&*bytes)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_sig_load(bytes: *const [u8; 48], out_sig: *mut Signature) -> bool {
    // SAFETY: sizes as in the header.
    unsafe { put(out_sig, bls::sig_load(&*bytes)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_sig_load_raw(bytes: *const [u8; 96], out_sig: *mut Signature) -> bool {
    // SAFETY: sizes as in the header.
    unsafe { put(out_sig, bls::sig_load_raw(&*bytes)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_sig_load_part(bytes: *const [u8; 96], out_sig: *mut Signature) -> bool {
    // SAFETY: sizes as in the header.
    unsafe { put(out_sig, bls::sig_load_part(&*bytes)) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_key_store(key: *const PublicKey, out_bytes: *mut [u8; 96]) {
    // SAFETY: sizes as in the header.
    unsafe { out_bytes.write((*key).compress()) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_sig_store(sig: *const Signature, out_bytes: *mut [u8; 48]) {
    // SAFETY: sizes as in the header.
    unsafe { out_bytes.write((*sig).compress()) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_sig_store_raw(sig: *const Signature, out_bytes: *mut [u8; 96]) {
    // SAFETY: sizes as in the header.
    unsafe { out_bytes.write((*sig).serialize()) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_key_sum(keys: *const &PublicKey, cnt: usize, out_sum: *mut PublicKey) -> bool {
    // SAFETY: cnt pointers, none NULL, each to a loaded key.
    unsafe { put(out_sum, bls::key_sum(slice(keys, cnt))) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_sig_sum(sigs: *const &Signature, cnt: usize, out_sum: *mut Signature) -> bool {
    // SAFETY: cnt pointers, none NULL, each to a loaded signature.
    unsafe { put(out_sum, bls::sig_sum(slice(sigs, cnt))) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_verify(
    key: *const PublicKey,
    dst: *const u8,
    dst_sz: usize,
    msg: *const u8,
    msg_sz: usize,
    sig: *const Signature,
) -> bool {
    // SAFETY: sizes as in the header.
    unsafe { bls::verify(&*key, slice(dst, dst_sz), slice(msg, msg_sz), &*sig) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_verify_same(
    keys: *const &PublicKey,
    cnt: usize,
    dst: *const u8,
    dst_sz: usize,
    msg: *const u8,
    msg_sz: usize,
    sig: *const Signature,
) -> bool {
    // SAFETY: cnt pointers, none NULL, each to a loaded key; sizes as in the header.
    unsafe { bls::verify_same(slice(keys, cnt), slice(dst, dst_sz), slice(msg, msg_sz), &*sig) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_verify_distinct(
    items: *const DmgnBlsItem,
    cnt: usize,
    dst: *const u8,
    dst_sz: usize,
    sig: *const Signature,
) -> bool {
    // SAFETY: cnt items, each with pointers as in the header.
    let items: Vec<bls::Item<'_>> = unsafe { slice(items, cnt) }
        .iter()
        .map(|item| {
            // SAFETY: as above.
            unsafe {
                bls::Item {
                    key: &*item.key,
                    msg: slice(item.msg, item.msg_sz),
                }
            }
        })
        .collect();
    // SAFETY: sizes as in the header.
    unsafe { bls::verify_distinct(&items, slice(dst, dst_sz), &*sig) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_bls_verify_many(
    items: *const DmgnBlsSigned,
    cnt: usize,
    dst: *const u8,
    dst_sz: usize,
    seed: *const [u8; 32],
) -> bool {
    // SAFETY: cnt items, each with pointers as in the header.
    let items: Vec<bls::Signed<'_>> = unsafe { slice(items, cnt) }
        .iter()
        .map(|item| {
            // SAFETY: as above.
            unsafe {
                bls::Signed {
                    key: &*item.key,
                    msg: slice(item.msg, item.msg_sz),
                    sig: &*item.sig,
                }
            }
        })
        .collect();
    // SAFETY: sizes as in the header.
    unsafe { bls::verify_many(&items, slice(dst, dst_sz), &*seed) }
}
