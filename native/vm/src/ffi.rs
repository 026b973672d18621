//! The C side.  `include/dmgn_vm.h` is the manual.
#![allow(unsafe_code, clippy::missing_safety_doc)]

use std::{
    ffi::{CStr, c_char},
    hash::{Hash, Hasher},
    mem::{align_of, size_of},
};
use wasmtime::{Config, Engine, WasmFeatures};
use wasmtime_c_api::{wasm_config_t, wasm_engine_t};

// The C API wraps these in `repr(C)` structs of one private field, so a pointer
// to the struct is a pointer to the field.  Cargo.toml pins both crates to one
// version; these lines catch a wrapper that gains a field.
const _: () = assert!(size_of::<wasm_config_t>() == size_of::<Config>());
const _: () = assert!(align_of::<wasm_config_t>() == align_of::<Config>());
const _: () = assert!(size_of::<wasm_engine_t>() == size_of::<Engine>());
const _: () = assert!(align_of::<wasm_engine_t>() == align_of::<Engine>());

fn settings(config: &mut wasm_config_t) -> &mut Config {
    let config: *mut wasm_config_t = config;
    // SAFETY: same address, size and alignment, see above; the borrow is handed on.
    unsafe { &mut *config.cast::<Config>() }
}

fn inner(engine: &wasm_engine_t) -> &Engine {
    let engine: *const wasm_engine_t = engine;
    // SAFETY: same address, size and alignment, see above; the borrow is handed on.
    unsafe { &*engine.cast::<Engine>() }
}

/// Copies a message, cut and terminated, where there is room for one.
unsafe fn put_text(err: *mut c_char, err_sz: usize, text: &str) {
    if err.is_null() || err_sz == 0 {
        return;
    }
    let cnt = text.len().min(err_sz - 1);
    // SAFETY: err has err_sz bytes, cnt + 1 <= err_sz.
    unsafe {
        err.copy_from(text.as_ptr().cast(), cnt);
        err.add(cnt).write(0);
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn dmgn_vm_config_backtrace_off(config: &mut wasm_config_t) {
    settings(config).wasm_backtrace_max_frames(None);
}

#[unsafe(no_mangle)]
pub extern "C" fn dmgn_vm_config_address_map_set(config: &mut wasm_config_t, is_on: bool) {
    settings(config).generate_address_map(is_on);
}

#[unsafe(no_mangle)]
pub extern "C" fn dmgn_vm_config_table_lazy_init_set(config: &mut wasm_config_t, is_on: bool) {
    settings(config).table_lazy_init(is_on);
}

#[unsafe(no_mangle)]
pub extern "C" fn dmgn_vm_config_proposals(config: &mut wasm_config_t, mask: u32) {
    let named = [
        WasmFeatures::MUTABLE_GLOBAL,
        WasmFeatures::SIGN_EXTENSION,
        WasmFeatures::BULK_MEMORY,
        WasmFeatures::FLOATS,
        WasmFeatures::SATURATING_FLOAT_TO_INT,
        WasmFeatures::MULTI_VALUE,
        WasmFeatures::REFERENCE_TYPES,
        WasmFeatures::EXTENDED_CONST,
        WasmFeatures::SIMD,
    ];
    let mut on = WasmFeatures::empty();
    for (bit, feature) in named.into_iter().enumerate() {
        on.set(feature, mask & (1 << bit) != 0);
    }
    settings(config).wasm_features(WasmFeatures::all(), false);
    settings(config).wasm_features(on, true);
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_vm_engine_new(
    mut config: Box<wasm_config_t>,
    err: *mut c_char,
    err_sz: usize,
) -> Option<Box<wasm_engine_t>> {
    match Engine::new(settings(&mut config)) {
        Ok(made) => {
            let made: *mut Engine = Box::into_raw(Box::new(made));
            // SAFETY: a box of the field is a box of its wrapper, see above: same size, alignment and drop.
            Some(unsafe { Box::from_raw(made.cast::<wasm_engine_t>()) })
        }
        Err(error) => {
            // SAFETY: err has err_sz bytes.
            unsafe { put_text(err, err_sz, &format!("{error:#}")) };
            None
        }
    }
}

/// Four 64-bit lanes of FNV-1a, each with its own start: no secret is guarded, only equality.
struct Lanes([u64; 4]);

impl Hasher for Lanes {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            for lane in &mut self.0 {
                *lane = (*lane ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
    }

    fn finish(&self) -> u64 {
        self.0.iter().fold(0, |a, b| a.rotate_left(17) ^ b)
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn dmgn_vm_engine_key(engine: &wasm_engine_t, out_key: *mut [u8; 32]) {
    let mut lanes = Lanes([
        0xcbf2_9ce4_8422_2325,
        0x9e37_79b9_7f4a_7c15,
        0xc2b2_ae3d_27d4_eb4f,
        0x1656_67b1_9e37_79f9,
    ]);
    inner(engine).precompile_compatibility_hash().hash(&mut lanes);
    let mut key = [0; 32];
    for (out, lane) in key.chunks_exact_mut(8).zip(lanes.0) {
        out.copy_from_slice(&lane.to_le_bytes());
    }
    // SAFETY: out_key is 32 writable bytes.
    unsafe { out_key.write(key) };
}

const VERSION: &CStr = c"48.0.8";

#[unsafe(no_mangle)]
pub extern "C" fn dmgn_vm_version() -> *const c_char {
    VERSION.as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime_c_api::{wasm_config_new, wasmtime_config_max_wasm_stack_set, wasmtime_config_native_unwind_info_set};

    fn node_config() -> Box<wasm_config_t> {
        let mut c = wasm_config_new();
        dmgn_vm_config_backtrace_off(&mut c);
        dmgn_vm_config_address_map_set(&mut c, false);
        dmgn_vm_config_proposals(&mut c, 0b111);
        wasmtime_config_native_unwind_info_set(&mut c, false);
        wasmtime_config_max_wasm_stack_set(&mut c, 1 << 21);
        c
    }

    fn new_engine(c: Box<wasm_config_t>) -> Box<wasm_engine_t> {
        // SAFETY: no error buffer.
        unsafe { dmgn_vm_engine_new(c, std::ptr::null_mut(), 0) }.unwrap()
    }

    fn key(e: &wasm_engine_t) -> [u8; 32] {
        let mut out = [0; 32];
        // SAFETY: 32 bytes.
        unsafe { dmgn_vm_engine_key(e, &mut out) };
        out
    }

    #[test]
    fn settings_reach_the_engine() {
        let e = new_engine(node_config());
        let module = |wasm: &[u8]| wasmtime::Module::new(inner(&e), wasm).is_ok();
        // (module (func (param i32) (result ..) local.get 0, one opcode))
        let func = |params: &[u8], result: u8, body: &[u8]| {
            let mut m = b"\0asm\x01\0\0\0".to_vec();
            m.extend([1, 4 + params.len() as u8 + 1, 1, 0x60, params.len() as u8]);
            m.extend(params);
            m.extend([
                1,
                result,
                3,
                2,
                1,
                0,
                10,
                body.len() as u8 + 4,
                1,
                body.len() as u8 + 2,
                0,
            ]);
            m.extend(body);
            m.push(0x0b);
            m
        };
        assert!(module(&func(&[0x7f], 0x7f, &[0x20, 0, 0xc0]))); // i32.extend8_s
        assert!(!module(&func(&[0x7d], 0x7d, &[0x20, 0]))); // f32
        assert!(!module(&func(&[0x7f], 0x7b, &[0x20, 0, 0xfd, 0x11]))); // i32x4.splat
        assert!(!module(&func(&[0x70], 0x70, &[0x20, 0]))); // funcref
        let all = {
            let mut c = wasm_config_new();
            dmgn_vm_config_proposals(&mut c, 0x1ff);
            new_engine(c)
        };
        assert!(wasmtime::Module::new(inner(&all), func(&[0x7f], 0x7b, &[0x20, 0, 0xfd, 0x11])).is_ok());
    }

    #[test]
    fn contradiction_is_an_error_not_an_abort() {
        let mut c = wasm_config_new();
        wasmtime_config_max_wasm_stack_set(&mut c, 0);
        let mut err = [1 as c_char; 24];
        // SAFETY: 24 bytes.
        let made = unsafe { dmgn_vm_engine_new(c, err.as_mut_ptr(), err.len()) };
        assert!(made.is_none());
        // SAFETY: terminated by the function.
        let text = unsafe { CStr::from_ptr(err.as_ptr()) };
        assert!(text.to_str().unwrap().starts_with("max_wasm_stack"));
    }

    #[test]
    fn key_is_stable_and_sees_settings() {
        let a = new_engine(node_config());
        assert_eq!(key(&a), key(&new_engine(node_config())));
        let mut c = node_config();
        dmgn_vm_config_address_map_set(&mut c, true);
        assert_ne!(key(&a), key(&new_engine(c)));
    }

    #[test]
    fn version_is_the_one_in_the_lock_file() {
        let lock = include_str!("../../Cargo.lock");
        let at = lock.find("name = \"wasmtime-c-api-impl\"\nversion = \"").unwrap();
        let version = lock[at..].split('"').nth(3).unwrap();
        assert_eq!(VERSION.to_str().unwrap(), version);
    }
}
