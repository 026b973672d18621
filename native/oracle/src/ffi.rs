#![allow(unsafe_code)]

use crate::{Call, Data, Oracle, Outcome};
use core::ffi::{CStr, c_char, c_int, c_void};
use wasmi::Val;

pub type HostFn = extern "C" fn(ctx: *mut c_void, call: *mut Call) -> c_int;

fn host(data: &Data, call: &mut Call) -> i32 {
    (data.callback)(data.ctx as *mut c_void, call)
}

/// Copies text with a final zero, cut to fit.
fn text_out(text: &str, out: *mut c_char, out_sz: usize) {
    let Some(room) = out_sz.checked_sub(1) else { return };
    let n = text.len().min(room);
    // SAFETY: the caller gives out_sz writable bytes; n < out_sz.
    unsafe {
        core::ptr::copy_nonoverlapping(text.as_ptr().cast::<c_char>(), out, n);
        *out.add(n) = 0;
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn dmg_wasmi_new(
    wasm: *const u8,
    wasm_sz: usize,
    callback: HostFn,
    err: *mut c_char,
    err_sz: usize,
) -> *mut Oracle {
    // SAFETY: the caller gives wasm_sz readable bytes.
    let bytes = unsafe { core::slice::from_raw_parts(wasm, wasm_sz) };
    match Oracle::new(bytes, host, callback) {
        Ok(o) => Box::into_raw(Box::new(o)),
        Err(e) => {
            text_out(&e.to_string(), err, err_sz);
            core::ptr::null_mut()
        }
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn dmg_wasmi_free(w: *mut Oracle) {
    if !w.is_null() {
        // SAFETY: it came from dmg_wasmi_new and is given back once.
        drop(unsafe { Box::from_raw(w) });
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn dmg_wasmi_import(w: *const Oracle, i: u32, out: *mut c_char, out_sz: usize) -> c_int {
    // SAFETY: w is alive.
    let o = unsafe { &*w };
    match o.imports.get(i as usize) {
        Some(name) => {
            text_out(name, out, out_sz);
            1
        }
        None => 0,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn dmg_wasmi_mem(w: *mut Oracle, out_sz: *mut usize) -> *mut u8 {
    // SAFETY: w is alive.
    let o = unsafe { &*w };
    let (p, sz) = o.memory().map_or((core::ptr::null_mut(), 0), |m| {
        (m.data_ptr(&o.store), m.data_size(&o.store))
    });
    // SAFETY: out_sz is writable.
    unsafe { *out_sz = sz };
    p
}

#[unsafe(no_mangle)]
pub extern "C" fn dmg_wasmi_global(w: *mut Oracle, name: *const c_char) -> u32 {
    // SAFETY: w is alive, name ends with a zero.
    let (o, name) = unsafe { (&*w, CStr::from_ptr(name)) };
    o.number(name.to_str().unwrap_or("")) as u32
}

#[unsafe(no_mangle)]
pub extern "C" fn dmg_wasmi_run(
    w: *mut Oracle,
    ctx: *mut c_void,
    kind: u32,
    id: u32,
    in_sz: u32,
    g: i64,
    s: i32,
    out: *mut Outcome,
) {
    // SAFETY: w is alive and nobody else uses it (header: one at a time).
    let o = unsafe { &mut *w };
    let params = [
        Val::I32(kind.cast_signed()),
        Val::I32(id.cast_signed()),
        Val::I32(in_sz.cast_signed()),
        Val::I64(g),
        Val::I32(s),
    ];
    let result = o.run(ctx as usize, params);
    // SAFETY: out is writable.
    unsafe { *out = result };
}
