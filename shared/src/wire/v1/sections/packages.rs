//! Installed packages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Installed packages, sorted by name, version, architecture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Packages {
    /// The packages.
    pub packages: Vec<Package>,
}

/// One installed package.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Package {
    /// Kind of package: `deb`, `apk`, `pacman`, `snap`, `flatpak`, `rpm`, `appimage`; of languages, where they are asked
    /// for: `pypi`, `npm`, `gem`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// The source package that it was built from, where that has another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Version as the package manager writes it. Empty for an AppImage whose file name does not tell.
    pub version: String,
    /// Architecture as the package manager writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Who publishes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publisher: Option<String>,
    /// Installed size, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// When it was installed or last upgraded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installed_at: Option<Timestamp>,
    /// The repository that offers this very version: origin, code name and component, as in `Debian bookworm main`; of dnf its id, as in `fedora`. Absent
    /// where no repository's list has it, or the lists are compressed or too many to search in passing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Installed only because others need it; absent where the package manager does not note it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automatic: Option<bool>,
    /// Kept at its version on purpose.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}
