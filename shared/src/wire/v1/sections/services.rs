//! Services, and what a service is known by.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DaemonDetails, Upstream};

/// What a service is known by on its machine, never by PID: `unit:nginx.service`, `container:NAME`,
/// `process:/usr/sbin/dnsmasq@nobody`. A restart, an upgrade or another worker is the same service.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ServiceKey(pub String);

impl ServiceKey {
    /// A service manager's unit.
    pub fn unit(name: &str) -> Self {
        Self(format!("unit:{name}"))
    }
    /// A container.
    pub fn container(name: &str) -> Self {
        Self(format!("container:{name}"))
    }
    /// A process that belongs to neither, by executable and user.
    pub fn process(executable: &str, user: &str) -> Self {
        Self(format!("process:{executable}@{user}"))
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceKey({})", self.0)
    }
}

/// Services, sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Services {
    /// The services.
    pub services: Vec<Service>,
}

/// One service: an active unit, a container, a process that listens or keeps talking, or a unit that should run and does not. A person's
/// shell and what was started from it, and an ssh session, are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// What it is known by.
    pub key: ServiceKey,
    /// Short name for people: `nginx`.
    pub name: String,
    /// The unit's own description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The executable of its main process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// The package that the executable belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// That package's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The user it runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The well-known daemon it is: `postgresql`, `nginx`, `sshd`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daemon: Option<String>,
    /// Started with the machine; absent where no service manager tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What starts it: `systemd`, `openrc`, `sysv`; absent for a process on its own and for a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// `false`: it is enabled and has no process, so it failed, was stopped, or ended; absent means that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<bool>,
    /// What its configuration says where it is a well-known daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<DaemonDetails>,
    /// Where its configuration, its unit's or container's environment, or its application's settings send requests to, sorted. Whether it does is
    /// what the `connections` section says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<Upstream>,
}
