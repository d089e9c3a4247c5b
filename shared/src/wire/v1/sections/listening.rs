//! Sockets that wait for connections.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ServiceKey;

/// `tcp` or `udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Default for ListeningSocket {
    fn default() -> Self {
        Self {
            protocol: Protocol::Tcp,
            address: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            port: 0,
            service: None,
            network: None,
            process: None,
            executable: None,
            package: None,
            user: None,
            container: None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// Listening sockets, sorted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Listening {
    /// The sockets; workers that share one are one.
    pub sockets: Vec<ListeningSocket>,
}

/// One socket that waits for connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ListeningSocket {
    /// Protocol.
    pub protocol: Protocol,
    /// The address it is bound to; unspecified (`0.0.0.0`, `::`) means all.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
    /// The service behind it; absent where the kernel did not tell (not enough privilege).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceKey>,
    /// The network namespace that it listens in, where it is not the machine's own: the container or service that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The process's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// The process's executable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// The package that the executable belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The user it runs as, on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The container that answers, where the process is in one or forwards to one (Docker's proxy).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
}
