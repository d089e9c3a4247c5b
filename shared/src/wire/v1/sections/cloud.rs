//! What a cloud says of its instance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The cloud that this machine is an instance in, from DMI and what cloud-init left. Nothing is asked over the network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cloud {
    /// The cloud's name: `aws`, `azure`, `gce`, `digitalocean`, `hetzner`, `oracle`, `openstack`, …
    pub provider: String,
    /// Its id for this instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// What kind of instance: `m5.large`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Availability zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Id of the image it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    /// Id of the account, subscription or project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// Name of the instance in the cloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_name: Option<String>,
    /// Addresses that the cloud translates to this machine, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub public_addresses: Vec<std::net::IpAddr>,
    /// Where this is known from, sorted: `cloud_init`, `dmi`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}
