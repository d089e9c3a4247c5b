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
    /// Kind of package: `deb`, `apk`, `pacman`, `snap`, `flatpak`, `rpm`, …
    pub kind: String,
    /// Name.
    pub name: String,
    /// Version as the package manager writes it.
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
}
