//! Ed25519 (ZIP 215), BLS12-381 (minimal signature size) and Keccak-256.
//! The manual is `include/dmgn_sig.h`.

mod bls;
mod ed25519;
pub mod ffi;

/// Keccak-256 with Ethereum's padding.
fn keccak256(data: &[u8]) -> [u8; 32] {
    use sha3::Digest;
    sha3::Keccak256::digest(data).into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn keccak256_has_ethereums_padding() {
        let hex = |b: [u8; 32]| b.iter().map(|b| format!("{b:02x}")).collect::<String>();
        assert_eq!(
            hex(super::keccak256(b"")),
            "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
        );
        assert_eq!(
            hex(super::keccak256(b"abc")),
            "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"
        );
    }
}
