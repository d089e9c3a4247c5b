//! Wire format, version 1.

pub mod check_in;
pub mod enrollment;
pub mod inventory;
pub mod sections;
pub mod token;

pub use check_in::*;
pub use enrollment::*;
pub use inventory::*;
pub use sections::*;
pub use token::*;

/// The version number that documents of this format carry.
pub const VERSION: u32 = 1;

/// Paths on the agents' listener.
pub mod paths {
    /// `POST`, no client certificate: join with a token; asked again while approval is pending.
    pub const ENROLL: &str = "/agent/v1/enroll";
    /// `POST`, client certificate: a new certificate for the same key.
    pub const RENEW: &str = "/agent/v1/renew";
    /// `POST`, no client certificate: a new certificate after the old one expired, by proof of possession.
    pub const RECOVER: &str = "/agent/v1/recover";
    /// `POST`, client certificate: I am here, and this is the digest of what I am.
    pub const CHECK_IN: &str = "/agent/v1/check-in";
    /// `POST`, client certificate, `Content-Encoding: zstd`: an inventory document.
    pub const INVENTORY: &str = "/agent/v1/inventory";
}
