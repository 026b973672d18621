//! The C side.  `include/dmgn_conf.h` is the manual; its contract (valid
//! pointers, sizes as named) is what every SAFETY line relies on.
#![allow(unsafe_code, clippy::missing_safety_doc)]

use crate::{Failure, parse};
use std::ffi::{c_char, c_int};

pub const TEXT_SZ: usize = 256;

/// `dmgn_conf_item_t`: points into the strings of the same `DmgnConf`.
#[repr(C)]
pub struct DmgnConfItem {
    path: *const u8,
    path_sz: usize,
    text: *const u8,
    text_sz: usize,
    kind: u32,
    cnt: u32,
    line: u32,
    col: u32,
}

#[repr(C)]
pub struct DmgnConfErr {
    line: u32,
    col: u32,
    text: [c_char; TEXT_SZ],
}

pub struct DmgnConf {
    items: Vec<DmgnConfItem>,
    #[expect(dead_code, reason = "what the items point into")]
    strings: Vec<Box<[u8]>>,
}

fn short(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl DmgnConfErr {
    fn of(failure: &Failure) -> Self {
        let mut err = Self {
            line: short(failure.line),
            col: short(failure.col),
            text: [0; TEXT_SZ],
        };
        // The last byte stays zero.
        for (out, byte) in err.text.iter_mut().take(TEXT_SZ - 1).zip(failure.text.bytes()) {
            *out = c_char::from_ne_bytes([byte]);
        }
        err
    }
}

/// A string with a terminator, kept where it is.
fn keep(strings: &mut Vec<Box<[u8]>>, text: String) -> (*const u8, usize) {
    let sz = text.len();
    let mut bytes = text.into_bytes();
    bytes.push(0);
    let bytes = bytes.into_boxed_slice();
    let ptr = bytes.as_ptr();
    strings.push(bytes);
    (ptr, sz)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_conf_parse(
    text: *const u8,
    text_sz: usize,
    out_conf: *mut Box<DmgnConf>,
    out_err: *mut DmgnConfErr,
) -> c_int {
    let text = if text_sz == 0 {
        &[]
    } else {
        // SAFETY: text_sz readable bytes.
        unsafe { std::slice::from_raw_parts(text, text_sz) }
    };
    match parse(text) {
        Ok(items) => {
            let mut strings = Vec::with_capacity(items.len() * 2);
            let items = items
                .into_iter()
                .map(|item| {
                    let (path, path_sz) = keep(&mut strings, item.path);
                    let (text, text_sz) = keep(&mut strings, item.text);
                    let (line, col) = (short(item.line), short(item.col));
                    DmgnConfItem {
                        path,
                        path_sz,
                        text,
                        text_sz,
                        kind: item.kind as u32,
                        cnt: short(item.cnt),
                        line,
                        col,
                    }
                })
                .collect();
            // SAFETY: a writable pointer, whatever was in it.
            unsafe { out_conf.write(Box::new(DmgnConf { items, strings })) };
            0
        }
        Err(failure) => {
            // SAFETY: a writable struct.
            unsafe { out_err.write(DmgnConfErr::of(&failure)) };
            -1
        }
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn dmgn_conf_free(conf: Option<Box<DmgnConf>>) {
    drop(conf);
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_conf_items(conf: &DmgnConf, out_cnt: *mut usize) -> *const DmgnConfItem {
    // SAFETY: a writable count.
    unsafe { out_cnt.write(conf.items.len()) };
    conf.items.as_ptr()
}
