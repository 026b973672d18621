//! The C side.  `include/dmgn_json.h` is the manual; its contract (valid
//! pointers, sizes as named) is what every SAFETY line relies on.
#![allow(unsafe_code, clippy::missing_safety_doc)]

use crate::{Code, Failure, Node, Reader};
use std::ffi::{c_char, c_int};

pub const TEXT_SZ: usize = 96;

#[repr(C)]
pub struct DmgnJsonErr {
    code: c_int,
    at: usize,
    text: [c_char; TEXT_SZ],
}

impl DmgnJsonErr {
    fn of(result: &Result<(), Failure>) -> Self {
        let mut err = Self {
            code: 0,
            at: 0,
            text: [0; TEXT_SZ],
        };
        if let Err(failure) = result {
            err.code = code(failure.code);
            err.at = failure.at;
            // The last byte stays zero.
            for (out, byte) in err.text.iter_mut().take(TEXT_SZ - 1).zip(failure.text.bytes()) {
                *out = c_char::from_ne_bytes([byte.to_ascii_lowercase()]);
            }
        }
        err
    }
}

fn code(code: Code) -> c_int {
    code as c_int
}

#[unsafe(no_mangle)]
pub extern "C" fn dmgn_json_new() -> Box<Reader> {
    Box::default()
}

#[unsafe(no_mangle)]
pub extern "C" fn dmgn_json_free(json: Option<Box<Reader>>) {
    drop(json);
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_json_parse(
    json: &mut Reader,
    bytes: *const u8,
    bytes_sz: usize,
    depth_max: u32,
    nodes_max: u32,
    out_err: *mut DmgnJsonErr,
) -> c_int {
    let bytes = if bytes_sz == 0 {
        &[]
    } else {
        // SAFETY: bytes_sz readable bytes.
        unsafe { std::slice::from_raw_parts(bytes, bytes_sz) }
    };
    let result = json.parse(bytes, depth_max, nodes_max);
    let err = DmgnJsonErr::of(&result);
    let code = err.code;
    if !out_err.is_null() {
        // SAFETY: a writable struct.
        unsafe { out_err.write(err) };
    }
    code
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_json_nodes(json: &Reader, out_cnt: *mut usize) -> *const Node {
    // SAFETY: a writable count.
    unsafe { out_cnt.write(json.nodes.len()) };
    json.nodes.as_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_json_text(json: &Reader, out_sz: *mut usize) -> *const u8 {
    // SAFETY: a writable size.
    unsafe { out_sz.write(json.text.len()) };
    json.text.as_ptr()
}
