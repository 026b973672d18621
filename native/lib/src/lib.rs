//! The one product: everything the adapter crates export, in one library.
//! `#[no_mangle]` functions of a dependency stay in it only if the crate is named here.

pub use dmgn_conf as conf;
pub use dmgn_http as http;
pub use dmgn_json as json;
pub use dmgn_p2p as p2p;
pub use dmgn_sig as sig;
pub use dmgn_vm as vm;
