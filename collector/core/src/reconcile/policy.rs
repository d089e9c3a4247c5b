use std::collections::BTreeSet;

use crate::model::Pattern;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// What reconciliation may be told; the defaults suit most.
#[derive(Clone, Debug)]
pub struct Policy {
    /// An agent heard within this time, milliseconds, is alive: another one with the same hardware ids is a copy, not its successor.
    pub alive_window_ms: i64,
    /// An agent that has been silent for longer than this, milliseconds, may have lost its machine's address to somebody else meanwhile. Less
    /// than the leases that networks give.
    pub address_window_ms: i64,
    /// Time, milliseconds, that may pass between a change of a machine's addresses and the check-in that announces it: around a move, nobody
    /// is taken for the owner. Twice the time between check-ins.
    pub address_settling_ms: i64,
    /// How long, milliseconds, it is remembered that a machine had an address. Longer than agents keep what they have observed.
    pub address_memory_ms: i64,
    /// Counters of a relationship's evidence make a new version at most this often, milliseconds.
    pub evidence_refresh_ms: i64,
    /// An observed relationship that nobody has confirmed for this long, milliseconds, is retired.
    pub retire_unconfirmed_ms: i64,
    /// An identity value that more machines than this carry is worth nothing.
    pub most_carriers: usize,
    /// One document makes at most this many CIs of peers without an agent. More come with the next ones: a port scan must not
    /// fill the estate at once.
    pub new_unmanaged_per_document: usize,
    /// Devices without an agent that one machine vouches for at most.
    pub most_met: usize,
    /// So many machines that meet a device are enough to keep it: more add nothing but rows.
    pub witnesses: usize,
    /// A program that talks to at least so many machines …
    pub fan_out_machines: usize,
    /// … which are at least this share of those of its realm, percent, to all sorts of services, and serves nobody: looks after them.
    pub fan_out_percent: u8,
    /// What so many other machines use as well is a shared service, not a part of one application.
    pub shared_by: usize,
    /// Patterns of redundancy that count without asking anybody.
    pub accepted_patterns: BTreeSet<Pattern>,
    /// Patterns of redundancy that are never suggested.
    pub rejected_patterns: BTreeSet<Pattern>,
    /// A relationship is strong from this confidence on, percent.
    pub strong_percent: u8,
    /// A relationship is fair, not weak, from this confidence on, percent.
    pub fair_percent: u8,
    /// What has never shown a silence is worth half after this much of it, milliseconds; more for what has.
    pub fades_after_ms: i64,
    /// What was declared or imported is worth half after this long, milliseconds.
    pub declared_fades_after_ms: i64,
    /// Ports of the collectors: agents' own traffic to them is no dependency.
    pub collector_ports: BTreeSet<u16>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            alive_window_ms: HOUR,
            address_window_ms: 4 * HOUR,
            address_settling_ms: HOUR / 6,
            address_memory_ms: 7 * DAY,
            evidence_refresh_ms: DAY,
            retire_unconfirmed_ms: 30 * DAY,
            most_carriers: 16,
            new_unmanaged_per_document: 1_000,
            most_met: 1_024,
            witnesses: 2,
            fan_out_machines: 5,
            fan_out_percent: 60,
            shared_by: 10,
            accepted_patterns: BTreeSet::new(),
            rejected_patterns: BTreeSet::new(),
            strong_percent: 80,
            fair_percent: 40,
            fades_after_ms: 2 * DAY,
            declared_fades_after_ms: 365 * DAY,
            collector_ports: BTreeSet::from([8444]),
        }
    }
}
