//! Wasmtime's C API, re-exported, and what only its Rust side has.
//! The manual is `include/dmgn_vm.h`.

pub mod ffi;

pub use wasmtime_c_api::*;
