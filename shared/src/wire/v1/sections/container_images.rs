//! Images that containers are made from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Container images stored on this machine, used or not; sorted by technology and id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContainerImages {
    /// The images.
    pub images: Vec<ContainerImage>,
}

/// A container image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContainerImage {
    /// Whose store it lies in: `docker`, `podman` (CRI-O's is the same).
    pub technology: String,
    /// Its id: 64 hexadecimal digits, the digest of its configuration.
    pub id: String,
    /// Names with tags that point to it, sorted: `docker.io/library/nginx:1.27`. Docker leaves its own registry's name out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Digests that a registry knows it by, sorted: `nginx@sha256:…`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<String>,
    /// When it was made, by its maker's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}
