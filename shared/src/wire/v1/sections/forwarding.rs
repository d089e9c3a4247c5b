//! What a machine passes on to others by the rules of its packet filter.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::Protocol;

/// The rules by which connections to this machine end up elsewhere, as the files say that are loaded when it starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Forwarding {
    /// In the order in which they are tried: the first that applies decides. What none applies to stays with this machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<ForwardingRule>,
    /// Networks whose machines call others under an address of this one (masquerading), sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hides: Vec<String>,
    /// The files that say so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Why something is not known; absent where everything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// Where some of the connections to this machine go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ForwardingRule {
    /// Protocol; absent for both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Addresses or networks that are called; empty for any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// The first port that is called; absent for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The last one, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_port: Option<u16>,
    /// Addresses or networks that call; empty for any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Interfaces by which the call comes in; empty for any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<String>,
    /// It is all but those interfaces.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub other_interfaces: bool,
    /// Where it goes; absent for this machine itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_address: Option<IpAddr>,
    /// The port there; absent for the one that was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_port: Option<u16>,
    /// There is more to it than is said here: another condition, or one of several places in turn. It may or may not apply.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sometimes: bool,
}
