//! What an observed connection is for: the dependent's own work, or the looking after of machines, which must not drown the graph.
//!
//! Judged by what is known of the two ends (signatures), in this order: the program that opens the connection, the service that takes it, and
//! only where nobody knows the service, its port. By how many others a program talks to: `pattern.rs`.

use std::collections::BTreeSet;

use rollcall_shared::{CiId, catalogue::Hardness, wire::v1::Protocol};

use super::plan::Plan;
use crate::{
    Estate,
    infer::{hosting_machine, kind_of},
    model::{Ci, Endpoint, Evidence, Judge, Judgement, Method, Purpose, Relationship},
};

/// Programs that open connections for this purpose, whatever takes them. Names as [`names`] gives them.
const CLIENTS: &[(Purpose, &[&str])] = &[
    (
        Purpose::Monitoring,
        &[
            "blackbox_exporter",
            "centengine",
            "check_mk",
            "checkmk",
            "cmc",
            "collectd",
            "datadog_agent",
            "icinga",
            "icinga2",
            "librenms",
            "munin",
            "nagios",
            "naemon",
            "netdata",
            "newrelic_infra",
            "prometheus",
            "sensu_agent",
            "smokeping",
            "snmpd",
            "telegraf",
            "uptime_kuma",
            "vmagent",
            "zabbix_agent",
            "zabbix_agent2",
            "zabbix_agentd",
            "zabbix_proxy",
            "zabbix_server",
        ],
    ),
    (
        Purpose::Logging,
        &["filebeat", "fluent_bit", "fluentd", "journalbeat", "promtail", "rsyslog", "rsyslogd", "syslog_ng", "systemd_journal_upload"],
    ),
    (
        Purpose::Backup,
        &[
            "amandad",
            "bacula_dir",
            "bacula_director",
            "bacula_fd",
            "bacula_sd",
            "backuppc",
            "bareos_dir",
            "bareos_fd",
            "bareos_sd",
            "borg",
            "borgmatic",
            "burp",
            "duplicity",
            "rdiff_backup",
            "restic",
            "rsnapshot",
            "urbackupclientbackend",
            "urbackupsrv",
        ],
    ),
    (
        Purpose::ConfigurationManagement,
        &["ansible", "ansible_playbook", "ansible_pull", "cf_agent", "chef_client", "cinc_client", "puppet", "salt_minion", "salt_master"],
    ),
    (Purpose::Directory, &["nslcd", "sssd", "sssd_be", "winbind", "winbindd"]),
    (Purpose::Time, &["chrony", "chronyd", "ntp", "ntpd", "ntpsec", "openntpd", "systemd_timesyncd"]),
    (
        Purpose::Updates,
        &["apt", "apt_daily", "dnf_automatic", "dnf_makecache", "fwupd", "packagekit", "packagekitd", "snapd", "unattended_upgrade"],
    ),
];

/// Services that are connected to for this purpose, whoever does.
const SERVERS: &[(Purpose, &[&str])] = &[
    (
        Purpose::Monitoring,
        &[
            "cadvisor",
            "check_mk_agent",
            "munin_node",
            "node_exporter",
            "nrpe",
            "nagios_nrpe_server",
            "snmpd",
            "zabbix_agent",
            "zabbix_agent2",
            "zabbix_agentd",
        ],
    ),
    (Purpose::Logging, &["rsyslog", "rsyslogd", "syslog_ng", "systemd_journal_remote"]),
    (Purpose::Backup, &["amandad", "bacula_dir", "bacula_fd", "bacula_sd", "bareos_dir", "bareos_fd", "bareos_sd", "burp", "urbackupsrv"]),
    (Purpose::ConfigurationManagement, &["cf_serverd", "puppetserver", "salt_master"]),
    (Purpose::Directory, &["389_ds", "kadmind", "krb5kdc", "ns_slapd", "openldap", "slapd"]),
    (Purpose::Time, &["chrony", "chronyd", "ntp", "ntpd", "ntpsec", "openntpd"]),
    (Purpose::NameService, &["bind", "coredns", "knotd", "named", "nsd", "pdns_recursor", "pdns_server", "systemd_resolved", "unbound"]),
    (Purpose::Administration, &["dropbear", "sshd", "xrdp"]),
];

/// Ports that mean one thing where the service behind them is not known.
const PORTS: &[(Purpose, Option<Protocol>, &[u16])] = &[
    (Purpose::Administration, None, &[22, 23, 3389, 5900, 5985, 5986]),
    (Purpose::NameService, None, &[53, 853]),
    (Purpose::Time, Some(Protocol::Udp), &[123]),
    (Purpose::Directory, None, &[88, 389, 464, 636, 749, 3268, 3269]),
    (Purpose::Monitoring, Some(Protocol::Udp), &[161, 162]),
    (Purpose::Monitoring, Some(Protocol::Tcp), &[4949, 5666, 6556, 10050]),
    (Purpose::Logging, Some(Protocol::Udp), &[514]),
    (Purpose::Logging, Some(Protocol::Tcp), &[601, 6514]),
    (Purpose::ConfigurationManagement, Some(Protocol::Tcp), &[4505, 4506, 8140]),
];

/// How hard, and why. Without a [`Judgement`] it is the dependent's own work and as hard as its type.
pub(super) type Verdict = (Option<Hardness>, Option<Judgement>);

/// Judges a relationship by the signatures of its ends.
///
/// What a service connects to, it needs. What is only known to come from *somewhere on* a machine (a person's program, a process whose owner
/// the kernel did not tell, a host without an agent) makes the machine poorer, not dead. What looks after machines does not take them along
/// when it fails, nor fails with them. What somebody declares or a configuration names is no noise.
pub(super) fn judge(plan: &Plan<'_>, kind: &str, from: CiId, to: CiId, evidence: &[Evidence]) -> Verdict {
    let endpoints: BTreeSet<Endpoint> = evidence.iter().flat_map(|evidence| evidence.endpoints.iter().copied()).collect();
    let observed_only = evidence.iter().all(|evidence| matches!(evidence.method, Method::Connection | Method::Configuration));
    let was_seen = evidence.iter().any(|evidence| evidence.method == Method::Connection);
    if kind != "connects_to" || !observed_only || (endpoints.is_empty() && was_seen) {
        return (None, None);
    }
    let (estate, from, to) = (plan.estate, plan.ci(from), plan.ci(to));
    let is_service = from.is_some_and(|ci| estate.is_a(ci, "service_instance"));
    let purpose = purpose(estate, from, to, &endpoints);
    let (purpose, reason) = match (purpose, is_service) {
        (Some((purpose, reason)), _) => (purpose, reason),
        (None, true) if was_seen => return (None, None),
        (None, _) if !was_seen => {
            let reason = "its configuration names it; no connection was seen".to_owned();
            return (Some(Hardness::Soft), Some(Judgement { purpose: Purpose::Work, by: Judge::Signature, reason }));
        }
        (None, _) => (Purpose::Unattributed, "it comes from somewhere on the machine; which service opens it is not known".to_owned()),
    };
    let hardness = hardness(estate, purpose, is_service, to);
    (Some(hardness), Some(Judgement { purpose, by: Judge::Signature, reason }))
}

/// How failure travels along a connection of that purpose.
fn hardness(estate: &Estate, purpose: Purpose, is_service: bool, to: Option<&Ci>) -> Hardness {
    match purpose {
        Purpose::Work => Hardness::Hard,
        // A copy goes on serving what it has.
        Purpose::Unattributed | Purpose::NameService | Purpose::Directory | Purpose::Replication => Hardness::Soft,
        // A service that administers (a deployment, a copy over ssh) does worse without; a person's session is no need at all.
        Purpose::Administration if is_service => Hardness::Soft,
        // Its own store, or one of the many that it looks at: nobody can tell from here.
        Purpose::Monitoring if to.is_some_and(|ci| estate.is_a(ci, "database")) => Hardness::Soft,
        Purpose::Monitoring
        | Purpose::Time
        | Purpose::Logging
        | Purpose::Backup
        | Purpose::Administration
        | Purpose::ConfigurationManagement
        | Purpose::Updates => Hardness::None,
    }
}

fn purpose(estate: &Estate, from: Option<&Ci>, to: Option<&Ci>, endpoints: &BTreeSet<Endpoint>) -> Option<(Purpose, String)> {
    let (clients, servers) = (from.map(|ci| names(estate, ci)).unwrap_or_default(), to.map(|ci| names(estate, ci)).unwrap_or_default());
    if let Some(make) = copies(estate, from, to) {
        return Some((Purpose::Replication, format!("{make} on two machines: the one copies from the other, or both are of one cluster")));
    }
    if let Some((purpose, name)) = known(CLIENTS, &clients) {
        return Some((purpose, format!("{name} opens connections for {}", in_words(purpose))));
    }
    if let Some(name) = servers.iter().find(|name| name.ends_with("_exporter")) {
        return Some((Purpose::Monitoring, format!("{name} is connected to for {}", in_words(Purpose::Monitoring))));
    }
    if let Some((purpose, name)) = known(SERVERS, &servers) {
        return Some((purpose, format!("{name} is connected to for {}", in_words(purpose))));
    }
    let is_known = to.is_some_and(|ci| ci.text("daemon").is_some());
    // A connection by ssh is one even where something else listens on that port too.
    let means = |purpose: Purpose, endpoint: &Endpoint| {
        let ports = PORTS.iter().filter(|(of, protocol, _)| *of == purpose && protocol.is_none_or(|it| it == endpoint.protocol));
        ports.flat_map(|(.., ports)| *ports).any(|port| *port == endpoint.port)
    };
    let candidates: BTreeSet<Purpose> = PORTS.iter().map(|(purpose, ..)| *purpose).collect();
    let purpose = candidates.into_iter().find(|purpose| endpoints.iter().all(|endpoint| means(*purpose, endpoint)))?;
    if is_known && purpose != Purpose::Administration {
        return None;
    }
    let endpoint = endpoints.first()?;
    Some((purpose, format!("{} port {} is used for {}", endpoint.protocol, endpoint.port, in_words(purpose))))
}

/// Two databases of one make on two machines.
fn copies<'c>(estate: &Estate, from: Option<&'c Ci>, to: Option<&Ci>) -> Option<&'c str> {
    let (from, to) = (from.filter(|ci| estate.is_a(ci, "database"))?, to.filter(|ci| estate.is_a(ci, "database"))?);
    (kind_of(from) == kind_of(to) && hosting_machine(estate, from) != hosting_machine(estate, to)).then(|| kind_of(from))
}

fn known<'n>(table: &[(Purpose, &[&str])], names: &'n BTreeSet<String>) -> Option<(Purpose, &'n str)> {
    table.iter().find_map(|(purpose, known)| names.iter().find(|name| known.contains(&name.as_str())).map(|name| (*purpose, name.as_str())))
}

/// What a service may be known by: daemon, executable, unit and name; lower case, `_` for every other sign.
fn names(estate: &Estate, ci: &Ci) -> BTreeSet<String> {
    if !estate.is_a(ci, "service_instance") {
        return BTreeSet::new();
    }
    let executable = ci.text("executable").and_then(|path| path.rsplit(['/', '\\']).next());
    let unit = ci.text("unit").map(|unit| unit.strip_suffix(".service").unwrap_or(unit));
    let unit = unit.map(|unit| unit.split('@').next().unwrap_or(unit));
    let even = |name: &str| {
        let name = name.strip_suffix(".exe").unwrap_or(name);
        let even: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
        even.strip_prefix("prometheus_").filter(|rest| rest.ends_with("_exporter")).map(str::to_owned).unwrap_or(even)
    };
    [ci.text("daemon"), executable, unit, Some(ci.name.as_str())].into_iter().flatten().map(even).collect()
}

/// A purpose as a sentence says it.
pub(super) const fn in_words(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Work => "its own work",
        Purpose::Unattributed => "something on the machine",
        Purpose::NameService => "names",
        Purpose::Time => "the time",
        Purpose::Directory => "accounts and rights",
        Purpose::Monitoring => "monitoring",
        Purpose::Logging => "logs",
        Purpose::Backup => "backup",
        Purpose::Administration => "administration",
        Purpose::ConfigurationManagement => "configuration management",
        Purpose::Updates => "software updates",
        Purpose::Replication => "copies",
    }
}

/// Whether a person's word stands on the hardness of a relationship, so that observation leaves it alone.
///
/// A hardness without a judgement that is not what the signatures say was set before judgements were kept.
pub(super) fn is_pinned(plan: &Plan<'_>, relationship: &Relationship) -> bool {
    match &relationship.judgement {
        Some(judgement) => judgement.by.is_person(),
        None => {
            let (hardness, _) = judge(plan, &relationship.kind, relationship.from, relationship.to, &relationship.evidence);
            relationship.hardness.is_some() && relationship.hardness != hardness
        }
    }
}

/// What a relationship with this evidence is to be, given what it was: a person's word stands, and a pattern stands until it is gone.
pub(super) fn settled(plan: &Plan<'_>, was: &Relationship, from: CiId, to: CiId, evidence: &[Evidence]) -> Verdict {
    if !was.evidence.is_empty() && is_pinned(plan, was) {
        return (was.hardness, was.judgement.clone());
    }
    let verdict = judge(plan, &was.kind, from, to, evidence);
    let is_noise = verdict.1.as_ref().is_some_and(|it| it.purpose.is_infrastructure() && it.purpose != Purpose::Administration);
    let pattern = was.judgement.as_ref().is_some_and(|judgement| judgement.by == Judge::Pattern);
    if pattern && !is_noise && from == was.from { (was.hardness, was.judgement.clone()) } else { verdict }
}
