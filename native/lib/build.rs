//! Copies wasmtime's C headers, which its build script generates, to DMGN_INCLUDE_OUT.
use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-env-changed=DMGN_INCLUDE_OUT");
    let include = env::var("DEP_WASMTIME_C_API_INCLUDE")?;
    if let Some(out) = env::var_os("DMGN_INCLUDE_OUT") {
        copy_tree(Path::new(&include), &PathBuf::from(out))?;
    }
    Ok(())
}
