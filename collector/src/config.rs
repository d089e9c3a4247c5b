//! Settings of `rollcall serve`: a TOML file, overridden by environment and flags.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use url::Url;

/// Settings. Every field has a default that works on one machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the database (if embedded), the CA and everything else of this collector is kept.
    pub data_dir: PathBuf,
    /// `sqlite:PATH`, relative paths below `data_dir`, or `postgres://…`.
    pub database: String,
    /// The agents' listener.
    pub agents: AgentsListener,
    /// The listener for people and API clients.
    pub people: PeopleListener,
    /// How long things are kept.
    pub retention: Retention,
    /// What is made of what agents observe.
    pub inference: Inference,
}

/// The agents' listener: always TLS with the collector's own certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentsListener {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// How agents reach it, in order of preference; goes into enrollment tokens. Empty: this host's names and port.
    pub urls: Vec<Url>,
    /// Names and addresses that the collector's certificate is valid for, besides those of `urls` and this host's own.
    pub names: Vec<String>,
    /// Seconds between check-ins of an agent.
    pub check_in_seconds: u32,
    /// Seconds that an agent's certificate is valid; agents renew at half of it.
    pub certificate_seconds: u32,
    /// A directory with agent binaries, `rollcall-agent-ARCHITECTURE`, offered by the install script.
    pub binaries: Option<PathBuf>,
}

/// The listener for people and API clients.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeopleListener {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// How it is served.
    pub tls: PeopleTls,
    /// Certificate chain (PEM), for `tls = "files"`.
    pub certificate: Option<PathBuf>,
    /// Private key (PEM), for `tls = "files"`.
    pub private_key: Option<PathBuf>,
    /// Addresses of proxies that may forward requests over plain HTTP, for `tls = "off"` on another address than loopback.
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// How people reach it; shown in messages. Absent: made from `listen`.
    pub url: Option<Url>,
}

/// How the people's listener is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum PeopleTls {
    /// With a certificate of the collector's own CA.
    Own,
    /// With the certificate in `certificate` and `private_key`; both are read again when they change.
    Files,
    /// Plain HTTP: on loopback, or behind `trusted_proxies`.
    Off,
}

/// How long things are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Days that documents are kept after newer ones have replaced all their sections.
    pub document_days: u32,
    /// Days after which an observed dependency that nothing confirms is retired.
    pub unconfirmed_relationship_days: u32,
    /// Days that every version of an item, a relationship and a machine's software is kept; of older ones, one a day. 0: all for ever.
    pub history_days: u32,
    /// Days that the change feed is kept. 0: for ever.
    pub change_days: u32,
    /// Days that the audit log is kept. 0: for ever.
    pub audit_days: u32,
}

/// What is made of what agents observe.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inference {
    /// A program that talks to at least so many machines …
    pub poller_machines: usize,
    /// … which are at least this share of those of its realm, percent, and serves nobody: is taken for monitoring.
    pub poller_percent: u8,
    /// What so many other machines use as well is a shared service, not a part of one application.
    pub shared_by_machines: usize,
    /// Kinds of redundancy that count without asking anybody: `behind_balancer`, `spread_client`, `replicas`, `moving_address`.
    pub accept: Vec<RedundancyPattern>,
    /// Kinds of redundancy that are never suggested.
    pub reject: Vec<RedundancyPattern>,
    /// A dependency is strong from this confidence on, percent.
    pub strong_percent: u8,
    /// A dependency is fair, not weak, from this confidence on, percent.
    pub fair_percent: u8,
    /// Days of silence after which a dependency that was never silent before is worth half.
    pub fades_after_days: u32,
}

/// A kind of redundancy, by the name that settings and API give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RedundancyPattern(pub rollcall_core::Pattern);

impl TryFrom<String> for RedundancyPattern {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let known = || rollcall_core::Pattern::ALL.map(rollcall_core::Pattern::as_str).join(", ");
        let unknown = || format!("{text:?} is no kind of redundancy; the kinds are {}", known());
        rollcall_core::Pattern::parse(&text).map(Self).ok_or_else(unknown)
    }
}

impl Default for Inference {
    fn default() -> Self {
        Self {
            poller_machines: 5,
            poller_percent: 60,
            shared_by_machines: 10,
            accept: Vec::new(),
            reject: Vec::new(),
            strong_percent: 80,
            fair_percent: 40,
            fades_after_days: 2,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/rollcall"),
            database: "sqlite:rollcall.sqlite".to_owned(),
            agents: AgentsListener::default(),
            people: PeopleListener::default(),
            retention: Retention::default(),
            inference: Inference::default(),
        }
    }
}

impl Default for AgentsListener {
    fn default() -> Self {
        Self {
            listen: ([0, 0, 0, 0], 8444).into(),
            urls: Vec::new(),
            names: Vec::new(),
            check_in_seconds: 300,
            certificate_seconds: 7 * 24 * 3_600,
            binaries: None,
        }
    }
}

impl Default for PeopleListener {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8443).into(),
            tls: PeopleTls::Own,
            certificate: None,
            private_key: None,
            trusted_proxies: Vec::new(),
            url: None,
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { document_days: 90, unconfirmed_relationship_days: 30, history_days: 400, change_days: 400, audit_days: 0 }
    }
}
