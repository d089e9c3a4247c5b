//! Random secrets: what is given out once, and the hash that is kept.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::TryRng;
use zeroize::Zeroizing;

/// A fresh secret with the hash to store.
pub struct Secret {
    /// The text to give out, once.
    pub text: Zeroizing<String>,
    /// BLAKE3 of the text.
    pub hash: [u8; 32],
}

impl Secret {
    /// `prefix` and 32 random bytes as base64url. The prefix lets scanners for leaked secrets find it.
    ///
    /// # Errors
    /// If the operating system gives no randomness.
    pub fn generate(prefix: &str) -> std::io::Result<Self> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        rand::rngs::SysRng.try_fill_bytes(bytes.as_mut()).map_err(std::io::Error::other)?;
        let text = Zeroizing::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes.as_ref())));
        let hash = Self::hash(&text);
        Ok(Self { text, hash })
    }

    /// The hash by which a secret is looked up.
    pub fn hash(text: &str) -> [u8; 32] {
        *blake3::hash(text.as_bytes()).as_bytes()
    }
}
