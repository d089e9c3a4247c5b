use std::collections::BTreeSet;

/// A catalogue entry's number, given by the store, dense from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SoftwareId(pub u32);

/// What identifies a piece of installed software across the estate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SoftwareEntry {
    /// Kind of package: `deb`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture; empty where there is none.
    pub architecture: String,
    /// Publisher; empty where not known.
    pub publisher: String,
}

/// All software of one machine.
pub type SoftwareSet = BTreeSet<SoftwareEntry>;
