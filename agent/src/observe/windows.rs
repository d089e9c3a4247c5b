//! Sightings added up over windows of time.
//!
//! A few windows are kept one after another and reported as one, so that a peer leaves the report only when it has not been
//! seen for [`KEPT`] and an ordinary hour is no change. What the collector has not acknowledged is never forgotten: while
//! it cannot be reached, old windows melt into one.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
};

use rollcall_shared::{
    Timestamp,
    wire::v1::{Connections, Direction, DirectionMethod, Flow, Protocol, ServiceKey, ServiceMethod},
};
use serde::{Deserialize, Serialize};

use super::sampler::Sighting;

/// What a flow connects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Which end began it.
    pub direction: Direction,
    /// Protocol.
    pub protocol: Protocol,
    /// The network namespace of the local end, if it is not the machine's own.
    pub network: Option<String>,
    /// The local service, where the kernel told.
    pub service: Option<ServiceKey>,
    /// The local address.
    pub local_address: IpAddr,
    /// The local port of an incoming flow.
    pub local_port: Option<u16>,
    /// The other end's address.
    pub peer_address: IpAddr,
    /// The other end's port of an outgoing flow.
    pub peer_port: Option<u16>,
}

#[derive(Clone, Debug)]
struct FlowStats {
    method: DirectionMethod,
    service_method: ServiceMethod,
    samples_seen: u32,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

#[derive(Clone, Debug)]
struct Window {
    start: Timestamp,
    end: Timestamp,
    samples: u32,
    acknowledged: bool,
    flows: BTreeMap<FlowKey, FlowStats>,
}

/// The windows kept, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Windows {
    windows: VecDeque<Window>,
    /// Flows that were not counted because the window was full.
    overflowed: u64,
    /// Counts what changes a report.
    revision: u64,
}

/// A window's length, milliseconds.
const LENGTH: i64 = 6 * 3_600_000;
/// How long a flow is reported after it was last seen, milliseconds.
const KEPT: i64 = 24 * 3_600_000;
/// Windows kept at most; beyond, the two oldest become one.
const MOST_WINDOWS: usize = 6;
/// Flows of one window, and of a report.
const MOST_FLOWS: usize = 20_000;
/// A client that is neither a unit nor listens is a service only if it was seen talking in this many samples.
const KEEPS_TALKING: u32 = 3;

/// The form on disk.
#[derive(Serialize, Deserialize)]
struct Stored {
    windows: Vec<StoredWindow>,
    overflowed: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredWindow {
    acknowledged: bool,
    connections: Connections,
}

impl Windows {
    /// Adds one sample.
    pub fn add(&mut self, sightings: &[Sighting], now: Timestamp) {
        let is_over = |window: &Window| now.millis_since(window.start) >= LENGTH || now < window.start;
        if self.windows.back().is_none_or(is_over) {
            self.windows.push_back(Window { start: now, end: now, samples: 0, acknowledged: false, flows: BTreeMap::new() });
            self.forget(now);
        }
        let Some(window) = self.windows.back_mut() else { return };
        window.samples = window.samples.saturating_add(1);
        window.end = now;
        for sighting in sightings {
            let seen = FlowStats {
                method: sighting.method,
                service_method: sighting.service_method,
                samples_seen: 1,
                first_seen: now,
                last_seen: now,
            };
            match add_flow(&mut window.flows, &sighting.key, seen) {
                Added::New => {
                    window.acknowledged = false;
                    self.revision += 1;
                }
                Added::Known => {}
                Added::Full => self.overflowed += 1,
            }
        }
    }

    /// Which flows are known; another number after a new one was seen.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The collector holds what [`Self::report`] said at `revision`: old windows may be forgotten, unless something new was
    /// seen since.
    pub fn acknowledge(&mut self, revision: u64) {
        if self.revision == revision {
            self.windows.iter_mut().for_each(|window| window.acknowledged = true);
        }
    }

    /// Flows that were not counted because there were too many.
    pub fn overflowed(&self) -> u64 {
        self.overflowed
    }

    /// Whether nothing was sampled.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    fn forget(&mut self, now: Timestamp) {
        self.windows.retain(|window| !window.acknowledged || (now.millis_since(window.end) < KEPT && now >= window.start));
        while self.windows.len() > MOST_WINDOWS {
            let Some(oldest) = self.windows.pop_front() else { return };
            let Some(next) = self.windows.front_mut() else { return };
            next.start = next.start.min(oldest.start);
            next.end = next.end.max(oldest.end);
            next.samples = next.samples.saturating_add(oldest.samples);
            next.acknowledged &= oldest.acknowledged;
            for (key, stats) in oldest.flows {
                add_flow(&mut next.flows, &key, stats);
            }
        }
    }

    /// All windows as one. `is_settled` tells which services are there without talking: units and those that listen.
    pub fn report(&self, is_settled: impl Fn(&ServiceKey) -> bool) -> Connections {
        let mut flows: BTreeMap<FlowKey, FlowStats> = BTreeMap::new();
        for (key, stats) in self.windows.iter().flat_map(|window| &window.flows) {
            add_flow(&mut flows, key, stats.clone());
        }
        let mut samples_of: BTreeMap<&ServiceKey, u32> = BTreeMap::new();
        for (key, stats) in &flows {
            if let Some(service) = &key.service {
                let most = samples_of.entry(service).or_default();
                *most = stats.samples_seen.max(*most);
            }
        }
        let passing: BTreeSet<ServiceKey> = samples_of
            .into_iter()
            .filter(|(service, samples)| service.0.starts_with("process:") && *samples < KEEPS_TALKING && !is_settled(service))
            .map(|(service, _)| service.clone())
            .collect();
        let mut named: BTreeMap<FlowKey, FlowStats> = BTreeMap::new();
        for (mut key, stats) in flows {
            if key.service.as_ref().is_some_and(|service| passing.contains(service)) {
                key.service = None;
            }
            add_flow(&mut named, &key, stats);
        }
        // Where a service is known to talk to a peer, an unattributed connection to the same peer (most often one in
        // TIME_WAIT, which no process holds) says nothing new.
        let ends = |key: &FlowKey| (key.direction, key.protocol, key.network.clone(), key.local_port, key.peer_address, key.peer_port);
        let explained: BTreeSet<_> = named.keys().filter(|key| key.service.is_some()).map(ends).collect();
        let flows = named.into_iter().filter(|(key, _)| key.service.is_some() || !explained.contains(&ends(key)));
        let times = || self.windows.iter();
        Connections {
            window_start: times().map(|window| window.start).min().unwrap_or_default(),
            window_end: times().map(|window| window.end).max().unwrap_or_default(),
            samples: times().fold(0, |sum, window| sum.saturating_add(window.samples)),
            flows: flows.map(|(key, stats)| flow(key, &stats)).collect(),
        }
    }

    /// The form that [`Self::from_stored`] reads.
    ///
    /// # Errors
    /// Only if it cannot be written as JSON, which it always can.
    pub fn to_stored(&self) -> Result<Vec<u8>, serde_json::Error> {
        let windows = self.windows.iter().map(|window| StoredWindow {
            acknowledged: window.acknowledged,
            connections: Connections {
                window_start: window.start,
                window_end: window.end,
                samples: window.samples,
                flows: window.flows.iter().map(|(key, stats)| flow(key.clone(), stats)).collect(),
            },
        });
        serde_json::to_vec(&Stored { windows: windows.collect(), overflowed: self.overflowed })
    }

    /// Reads what [`Self::to_stored`] wrote.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_stored(json: &[u8]) -> Result<Self, serde_json::Error> {
        let stored: Stored = serde_json::from_slice(json)?;
        let windows = stored.windows.into_iter().take(MOST_WINDOWS).map(|stored| {
            let mut flows = BTreeMap::new();
            for flow in stored.connections.flows {
                let stats = FlowStats {
                    method: flow.direction_method,
                    service_method: flow.service_method.unwrap_or_default(),
                    samples_seen: flow.samples_seen,
                    first_seen: flow.first_seen,
                    last_seen: flow.last_seen,
                };
                add_flow(&mut flows, &key_of(flow), stats);
            }
            Window {
                start: stored.connections.window_start,
                end: stored.connections.window_end,
                samples: stored.connections.samples,
                acknowledged: stored.acknowledged,
                flows,
            }
        });
        Ok(Self { windows: windows.collect(), overflowed: stored.overflowed, revision: 0 })
    }
}

enum Added {
    New,
    Known,
    Full,
}

fn add_flow(flows: &mut BTreeMap<FlowKey, FlowStats>, key: &FlowKey, stats: FlowStats) -> Added {
    if let Some(known) = flows.get_mut(key) {
        known.method = known.method.min(stats.method);
        known.service_method = known.service_method.min(stats.service_method);
        known.samples_seen = known.samples_seen.saturating_add(stats.samples_seen);
        known.first_seen = known.first_seen.min(stats.first_seen);
        known.last_seen = known.last_seen.max(stats.last_seen);
        return Added::Known;
    }
    if flows.len() >= MOST_FLOWS {
        return Added::Full;
    }
    flows.insert(key.clone(), stats);
    Added::New
}

fn flow(key: FlowKey, stats: &FlowStats) -> Flow {
    Flow {
        direction: key.direction,
        direction_method: stats.method,
        protocol: key.protocol,
        network: key.network,
        service_method: key.service.as_ref().map(|_| stats.service_method).filter(|method| *method != ServiceMethod::Socket),
        service: key.service,
        local_address: key.local_address,
        local_port: key.local_port,
        peer_address: key.peer_address,
        peer_port: key.peer_port,
        samples_seen: stats.samples_seen,
        first_seen: stats.first_seen,
        last_seen: stats.last_seen,
    }
}

fn key_of(flow: Flow) -> FlowKey {
    FlowKey {
        direction: flow.direction,
        protocol: flow.protocol,
        network: flow.network,
        service: flow.service,
        local_address: flow.local_address,
        local_port: flow.local_port,
        peer_address: flow.peer_address,
        peer_port: flow.peer_port,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn to(service: Option<&str>, port: u16) -> Sighting {
        let key = FlowKey {
            direction: Direction::Outgoing,
            protocol: Protocol::Tcp,
            network: None,
            service: service.map(|text| ServiceKey(text.into())),
            local_address: "10.0.0.1".parse().unwrap(),
            local_port: None,
            peer_address: "10.0.0.2".parse().unwrap(),
            peer_port: Some(port),
        };
        Sighting { key, method: DirectionMethod::Listener, service_method: ServiceMethod::Socket }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    fn seen(windows: &Windows) -> Vec<(Option<String>, u16, u32)> {
        let report = windows.report(|_| false);
        report.flows.into_iter().map(|flow| (flow.service.map(|key| key.0), flow.peer_port.unwrap(), flow.samples_seen)).collect()
    }

    #[test]
    fn a_peer_is_reported_for_a_day_after_it_was_last_seen() {
        let mut windows = Windows::default();
        windows.add(&[to(Some("unit:a.service"), 1), to(Some("unit:a.service"), 2)], at(0));
        windows.acknowledge(windows.revision());
        for hour in 1..=24 {
            windows.add(&[to(Some("unit:a.service"), 1)], at(hour * HOUR));
            windows.acknowledge(windows.revision());
            assert_eq!(seen(&windows).len(), 2, "hour {hour}");
        }
        for hour in 25..40 {
            windows.add(&[to(Some("unit:a.service"), 1)], at(hour * HOUR));
            windows.acknowledge(windows.revision());
        }
        assert_eq!(seen(&windows).len(), 1);
        assert!(windows.windows.len() <= MOST_WINDOWS);
    }

    #[test]
    fn what_is_not_acknowledged_is_kept_for_weeks_in_bounded_windows() {
        let mut windows = Windows::default();
        windows.add(&[to(Some("unit:a.service"), 1)], at(0));
        for hour in 1..24 * 30 {
            windows.add(&[to(Some("unit:a.service"), 2)], at(hour * HOUR));
        }
        assert_eq!(seen(&windows), [(Some("unit:a.service".into()), 1, 1), (Some("unit:a.service".into()), 2, 24 * 30 - 1)]);
        assert_eq!(windows.windows.len(), MOST_WINDOWS);
        let report = windows.report(|_| false);
        assert_eq!((report.window_start, report.samples), (at(0), 24 * 30));
    }

    #[test]
    fn a_passing_process_is_no_service_until_it_keeps_talking() {
        let mut windows = Windows::default();
        let curl = Some("process:/usr/bin/curl@root");
        windows.add(&[to(curl, 1)], at(0));
        assert_eq!(seen(&windows), [(None, 1, 1)]);
        windows.add(&[to(curl, 1)], at(1));
        windows.add(&[to(curl, 1)], at(2));
        assert_eq!(seen(&windows), [(curl.map(str::to_owned), 1, 3)]);
        let settled = Windows { windows: windows.windows.iter().take(1).cloned().collect(), overflowed: 0, revision: 0 };
        assert_eq!(settled.report(|_| true).flows[0].service.as_ref().map(|key| key.0.as_str()), curl);
    }

    #[test]
    fn what_a_known_service_explains_is_not_reported_twice() {
        let mut windows = Windows::default();
        windows.add(&[to(Some("unit:a.service"), 1), to(None, 1), to(None, 2)], at(0));
        assert_eq!(seen(&windows), [(None, 2, 1), (Some("unit:a.service".into()), 1, 1)]);
    }

    #[test]
    fn a_clock_that_jumps_back_opens_a_new_window() {
        let mut windows = Windows::default();
        windows.add(&[to(None, 1)], at(100 * HOUR));
        windows.add(&[to(None, 1)], at(0));
        assert_eq!(windows.windows.len(), 2);
        assert_eq!(seen(&windows), [(None, 1, 2)]);
    }

    #[test]
    fn the_stored_form_round_trips_and_damage_is_an_error() {
        let mut windows = Windows::default();
        windows.add(&[to(Some("unit:a.service"), 1)], at(0));
        windows.acknowledge(windows.revision());
        let stored = windows.to_stored().unwrap();
        let read = Windows::from_stored(&stored).unwrap();
        assert_eq!(read.to_stored().unwrap(), stored);
        assert!(Windows::from_stored(&stored[..stored.len() - 1]).is_err());
    }
}
