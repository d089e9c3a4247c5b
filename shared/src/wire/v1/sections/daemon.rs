//! What the configuration of a well-known daemon says: where its data is, whom it passes work on to, who its copies are.
//!
//! Only hosts, ports and names; user names' passwords, tokens and query strings are never part of it.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a daemon's own files say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DaemonDetails {
    /// The version that its own files name, where that is not the package's: `15` of `PG_VERSION`, a jar's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The instance, where several can run on one machine: PostgreSQL's `15/main`, a Tomcat's base directory's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The configuration files that were read, the main one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configuration: Vec<String>,
    /// Where its data is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_directory: Option<String>,
    /// The ports that it is configured to listen on, sorted. What it really listens on is in the `listening` section.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// Databases, where file names tell them (MySQL, MongoDB with a directory per database), sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// What a proxy or balancer takes requests on, and which of its groups it passes them to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frontends: Vec<Frontend>,
    /// The copies that it belongs together with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replication: Vec<Replication>,
    /// Addresses that move between machines (keepalived's VRRP): evidence of redundancy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub virtual_addresses: Vec<VirtualAddress>,
}

impl DaemonDetails {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A place that a service's configuration sends requests to.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Upstream {
    /// What is spoken: `http`, `https`, `h2c`, `fastcgi`, `grpc`, `uwsgi`, `ajp`, `tcp`, `postgresql`, `mysql`, `sqlserver`, `oracle`, `redis`,
    /// `mongodb`, `amqp`, `kafka`, `memcached`, `elasticsearch`, `ldap`, `smtp`, … in lower case.
    pub kind: String,
    /// The host as it is written there, in lower case: a name or an IP address (without brackets). An absolute path is a Unix socket of this
    /// machine.
    pub host: String,
    /// The port, the usual one of `kind` where none is written; absent for a Unix socket and where there is no usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The database, schema, key space or virtual host on that server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The group of the balancer that it is a member of (`upstream NAME`, `backend NAME`, `balancer://NAME`): members of one group stand in for
    /// each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether it takes part or waits for the others to fail.
    #[serde(default, skip_serializing_if = "UpstreamRole::is_active")]
    pub role: UpstreamRole,
    /// Whether the balancer checks that it is alive; absent where that cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<bool>,
    /// The file that says so.
    pub file: String,
    /// The directive, key or variable in that file: `proxy_pass`, `spring.datasource.url`, `DATABASE_URL`.
    pub directive: String,
}

/// Whether a member of a balancer's group takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamRole {
    /// Takes its share.
    #[default]
    Active,
    /// Takes over when the active ones are gone.
    Backup,
    /// Configured and switched off (`down`, `disabled`).
    Disabled,
}

impl UpstreamRole {
    fn is_active(&self) -> bool {
        *self == Self::Active
    }
}

/// What a proxy takes requests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Frontend {
    /// Its name, where it has one (HAProxy).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address it is bound to; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// The host names it answers to, sorted; none: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub server_names: Vec<String>,
    /// The groups of [`Upstream::group`] that it passes requests to, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// A host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct HostPort {
    /// A name or an IP address, as it is written, in lower case.
    pub host: String,
    /// The port; absent where none is written and none is usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// That a daemon keeps a copy of what others hold, or is a member of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Replication {
    /// Its part, where the configuration tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<ReplicationRole>,
    /// The group's name that all members share: MongoDB's `replSetName`, a cluster name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whom it copies from (a replica), in the order written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<HostPort>,
    /// The members of its group that the configuration names, perhaps itself among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<HostPort>,
    /// The file that says so.
    pub file: String,
    /// The directive in that file: `primary_conninfo`, `replicaof`, `initial-cluster`.
    pub directive: String,
}

/// The part that a copy has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplicationRole {
    /// Others copy from it.
    Primary,
    /// It copies from another.
    Replica,
    /// An equal among others, or one whose part changes.
    Member,
}

/// An address that one of several machines holds at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// The instance's name in the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// VRRP's router id: the machines that share one address share this too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_id: Option<u8>,
    /// The interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Which begins as the holder, as configured; priorities decide afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_as_master: Option<bool>,
    /// The highest priority holds the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
    /// The other machines, where they are named (`unicast_peer`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<IpAddr>,
    /// The file that says so.
    pub file: String,
}
