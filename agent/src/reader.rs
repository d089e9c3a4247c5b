//! The half that looks at the machine. It opens no internet socket; what it finds goes to the spool, and nowhere else.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use rollcall_shared::{
    Digest, Timestamp,
    wire::v1::{Announced, Connections, Section, SectionData},
};

use crate::{
    announced,
    clock::LocalTime,
    collect::{self, Budget, Limits, Machine, Subject},
    files::Root,
    observe::{Attribution, Guarded, Windows},
    settings::Settings,
    spool::{Acknowledged, Counts, Draft, ReaderFiles, SenderFiles, Snapshot, Spool, SpoolError},
};

/// Watching sockets, with what was added up so far.
pub struct Watch {
    sampler: Guarded,
    // Shared with an inventory while it is collected, on a thread of its own that may come to hang.
    windows: Arc<Windows>,
    latest: Arc<Result<Attribution, String>>,
    extras: Arc<[String]>,
    announced: Arc<[Announced]>,
}

impl Watch {
    /// Goes on from these windows.
    pub fn new(windows: Windows) -> Self {
        let latest = Err("the socket table was not read yet".to_owned());
        Self {
            sampler: Guarded::new(Limits::default().time),
            windows: Arc::new(windows),
            latest: Arc::new(latest),
            extras: Arc::default(),
            announced: Arc::default(),
        }
    }

    /// The same, with these of [`collect::EXTRAS`] collected too.
    #[must_use]
    pub fn with_extras(self, extras: Vec<String>) -> Self {
        Self { extras: extras.into(), ..self }
    }

    /// The same, where one look at the socket table may take this long.
    #[must_use]
    pub fn with_time_limit(mut self, limit: Duration) -> Self {
        self.sampler.set_limit(limit);
        self
    }

    /// Takes over what the sending half has heard devices announce, where that was asked for.
    pub fn learn_announced(&mut self, files: &SenderFiles) {
        if self.extras.iter().any(|extra| extra == announced::EXTRA) {
            self.announced = files
                .announced()
                .unwrap_or_else(|error| {
                    tracing::warn!(%error, "what devices announce is left out");
                    Vec::new()
                })
                .into();
        }
    }

    /// Takes one sample. A failure, or that it took too long, is kept as the reason why sections are missing.
    pub fn sample(&mut self, root: &Root, now: Timestamp) {
        let root = root.clone();
        let looked = self.sampler.run(move |sampler| sampler.sample_machine(&root).map_err(|error| error.to_string()));
        let latest = looked.and_then(|looked| looked).map_err(|error| format!("the kernel's socket table: {error}"));
        if let Err(error) = &latest {
            tracing::warn!("{error}");
        }
        if let Ok(sample) = &latest {
            Arc::make_mut(&mut self.windows).add(&sample.sightings, now);
        }
        self.latest = Arc::new(latest);
    }

    /// Hears from now on of connections that are closed between two samples. Only inside a runtime.
    pub fn hear_closed(&mut self) {
        self.sampler.hear_closed();
    }

    /// Waits until there is something to [`Self::attend`] to between two samples: connections were closed, or a look for
    /// short ones is due.
    pub async fn disturbed(&mut self) {
        self.sampler.disturbed().await;
    }

    /// Attends to what happened between two samples.
    pub fn attend(&mut self, root: &Root) {
        // The next sample meets the same error and tells it.
        if let Err(error) = self.sampler.attend(root) {
            tracing::debug!(%error, "the kernel's socket table");
        }
    }

    /// Collects these sections, all for `None`, at once and for as long as it takes.
    pub fn collect(&self, root: &Root, now: Timestamp, only: Option<&[String]>) -> BTreeMap<String, Section> {
        let attribution = self.latest.as_ref().as_ref().map_err(Clone::clone);
        let machine = Machine::new(root, now, &self.windows, attribution).with_extras(&self.extras);
        collect::collect(&machine.with_announced(&self.announced), only)
    }

    /// What is to be looked at.
    pub fn subject(&self, root: &Root, now: Timestamp) -> Subject {
        Subject {
            root: root.clone(),
            now,
            windows: Arc::clone(&self.windows),
            attribution: Arc::clone(&self.latest),
            extras: Arc::clone(&self.extras),
            announced: Arc::clone(&self.announced),
        }
    }
}

/// The reading half of an agent.
pub struct Reader {
    own: ReaderFiles,
    others: SenderFiles,
    root: Root,
    enabled: Vec<String>,
    watch: Watch,
    budget: Budget,
    latest: Option<Latest>,
    number: u64,
    counts: Counts,
    schedule: Schedule,
}

/// The inventory in the spool.
struct Latest {
    digests: BTreeMap<String, Digest>,
    /// What the windows of connections were at; `None` for one of an earlier process.
    windows: Option<u64>,
}

/// How an inventory went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collected {
    /// It is in the spool.
    Stored,
    /// There was no room for it, and the one before stands.
    NotStored,
    /// The agent has used up its share of the processor; the inventory before stands until there is some again.
    Postponed,
}

impl Reader {
    /// The reading half that works on this spool. Damaged files of its own are removed and counted.
    pub fn open(spool: &Spool, settings: &Settings) -> Self {
        let schedule = Schedule::new(settings.inventory_interval(), settings.sample_interval());
        let mut reader = Self::new(spool, &settings.disabled_sections(), settings.limits(), schedule);
        reader.watch = reader.watch.with_extras(settings.also_collect()).with_time_limit(settings.limits().time);
        reader
    }

    fn new(spool: &Spool, disabled: &[String], limits: Limits, schedule: Schedule) -> Self {
        let own = spool.reader();
        let damaged = own.remove_damaged();
        let windows = own.windows().unwrap_or_else(|error| {
            tracing::warn!(%error, "connections observed before this start are lost");
            Windows::default()
        });
        let before = own.inventory().ok().flatten();
        let mut counts = before.as_ref().map(Snapshot::counts).unwrap_or_default();
        counts.damaged += damaged;
        let names = collect::COLLECTORS.iter().map(|collector| collector.name.to_owned());
        Self {
            others: spool.sender(),
            root: Root::new("/"),
            enabled: names.filter(|name| !disabled.contains(name)).collect(),
            watch: Watch::new(windows),
            budget: Budget::new(limits),
            number: before.as_ref().map_or(0, Snapshot::number),
            latest: before.map(|before| Latest { digests: owned(before.digests()), windows: None }),
            counts,
            schedule,
            own,
        }
    }

    /// Takes one sample of the socket table.
    pub fn sample(&mut self) {
        self.watch.sample(&self.root, Timestamp::now());
    }

    /// See [`Watch::hear_closed`].
    pub fn hear_closed(&mut self) {
        self.watch.hear_closed();
    }

    /// See [`Watch::disturbed`].
    pub async fn disturbed(&mut self) {
        self.watch.disturbed().await;
    }

    /// See [`Watch::attend`].
    pub fn attend(&mut self) {
        self.watch.attend(&self.root);
    }

    /// Looks at the machine anew and puts what it finds into the spool. What the collector holds by now is forgotten where it
    /// need not be kept.
    pub fn collect(&mut self) -> Collected {
        self.learn();
        if !self.budget.may_start() {
            tracing::warn!("the inventory is postponed: this agent has used its share of the processor (cpu-share)");
            return Collected::Postponed;
        }
        self.watch.learn_announced(&self.others);
        let at = LocalTime::now();
        self.schedule.collected(at.since_boot);
        let mut draft = Draft::new(&at);
        let subject = self.watch.subject(&self.root, at.local);
        self.budget.collect(collect::COLLECTORS, &subject, &self.enabled, |name, section| {
            if let Err(error) = draft.add(name, &section) {
                tracing::error!(section = name, %error, "a section could not be compressed and is left out");
            }
        });
        drop(subject);
        self.store(draft)
    }

    fn store(&mut self, mut draft: Draft) -> Collected {
        let digests = owned(draft.digests());
        let acknowledged = self.acknowledged();
        let is_new = self.latest.as_ref().is_some_and(|latest| latest.digests != digests);
        let is_lost = |latest: &Latest| !acknowledged.covers(latest.digests.iter().map(|(name, digest)| (name.as_str(), *digest)));
        let supersedes = is_new && self.latest.as_ref().is_some_and(is_lost);
        let mut counts = self.counts;
        counts.superseded += u64::from(supersedes);
        draft.numbered(self.number + 1, counts);
        match self.own.set_inventory(&draft) {
            Ok(()) => {
                self.number += 1;
                self.counts = counts;
                self.latest = Some(Latest { digests, windows: Some(self.watch.windows.revision()) });
                Collected::Stored
            }
            Err(error) => {
                self.counts.dropped += u64::from(matches!(error, SpoolError::Full { .. }));
                tracing::error!(%error, "the inventory could not be stored; the one before stands");
                Collected::NotStored
            }
        }
    }

    /// Stores the windows of connections. A failure is logged: watching goes on in memory.
    pub fn store_windows(&self) {
        if let Err(error) = self.own.set_windows(&self.watch.windows) {
            tracing::warn!(%error, "observed connections could not be stored and would be lost by a restart");
        }
    }

    /// Hears from the sending half what the collector holds: windows of connections that it has need not be kept.
    pub fn learn(&mut self) {
        let acknowledged = self.acknowledged();
        self.schedule.planned = acknowledged.next.as_ref().and_then(|next| next.in_this_start(&LocalTime::now()));
        let Some(Latest { digests, windows: Some(revision) }) = &self.latest else { return };
        let known = acknowledged.sections.get(Connections::NAME);
        if known.is_some() && known == digests.get(Connections::NAME) {
            let revision = *revision;
            Arc::make_mut(&mut self.watch.windows).acknowledge(revision);
        }
    }

    fn acknowledged(&self) -> Acknowledged {
        self.others.acknowledged().unwrap_or_else(|error| {
            tracing::warn!(%error, "what the collector has acknowledged is not known; everything is kept");
            Acknowledged::default()
        })
    }

    /// Whether the machine is to be looked at now.
    pub fn is_due(&self) -> bool {
        self.schedule.is_due(crate::clock::since_boot())
    }

    /// Until the next look at the socket table or the machine.
    pub fn sample_interval(&self) -> Duration {
        self.schedule.sample
    }
}

fn owned<'a>(digests: impl Iterator<Item = (&'a str, Digest)>) -> BTreeMap<String, Digest> {
    digests.map(|(name, digest)| (name.to_owned(), digest)).collect()
}

/// When the machine is looked at, where the sending half is another process: shortly before each check-in, and from time to
/// time while there is none. Times are milliseconds since the machine was started.
#[derive(Clone, Debug)]
struct Schedule {
    /// At least this between two looks.
    least: Duration,
    sample: Duration,
    last: Option<i64>,
    /// The next check-in, as the sending half says. It cannot make the machine be looked at more often than `least`.
    planned: Option<i64>,
}

impl Schedule {
    /// How often the machine is looked at while no check-in is planned: nobody waits for it.
    const UNPLANNED: i64 = 15 * 60_000;

    fn new(least: Duration, sample: Duration) -> Self {
        Self { least: least.max(sample), sample, last: None, planned: None }
    }

    fn collected(&mut self, now: i64) {
        self.last = Some(now);
    }

    fn is_due(&self, now: i64) -> bool {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let Some(last) = self.last else { return true };
        if now.saturating_sub(last) < millis(self.least) {
            return false;
        }
        // The next sample may come too late for the check-in; once for each is enough.
        let lead = millis(self.sample).saturating_add(1_000);
        let before = self.planned.map(|planned| planned.saturating_sub(lead));
        before.is_some_and(|before| now >= before && last < before) || now.saturating_sub(last) >= Self::UNPLANNED.max(millis(self.least))
    }
}

/// Waits for the first inventory of the reading process.
///
/// # Errors
/// [`SpoolError`], except for what a reading process will put right by itself.
pub async fn first_inventory(files: &ReaderFiles, patience: Duration) -> Result<Option<Snapshot>, SpoolError> {
    const PAUSE: Duration = Duration::from_millis(250);
    let start = Instant::now();
    loop {
        match files.inventory() {
            Ok(Some(snapshot)) => return Ok(Some(snapshot)),
            Ok(None) | Err(SpoolError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        if start.elapsed() >= patience {
            return Ok(None);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use rollcall_shared::wire::v1::{Direction, DirectionMethod, Protocol, SectionStatus, ServiceMethod};

    use super::*;
    use crate::{
        observe::{FlowKey, Sighting},
        spool::Role,
    };

    fn reader(limit: u64) -> (tempfile::TempDir, Spool, Reader) {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool::new(directory.path().join("spool"), limit);
        spool.prepare(&[Role::Reader, Role::Sender]).unwrap();
        let reader = again(&spool);
        (directory, spool, reader)
    }

    fn again(spool: &Spool) -> Reader {
        Reader::new(spool, &[], Limits::default(), Schedule::new(Duration::ZERO, Duration::ZERO))
    }

    fn draft(section: &str, content: &str) -> Draft {
        let mut draft = Draft::new(&LocalTime::now());
        let digest = Digest::of(content.as_bytes());
        let data = serde_json::value::to_raw_value(content).unwrap();
        let section_of = Section { status: SectionStatus::Ok, collected_at: Timestamp::default(), duration_ms: 0, digest, data };
        draft.add(section, &section_of).unwrap();
        draft
    }

    fn acknowledge(spool: &Spool) {
        let sections = owned(spool.reader().inventory().unwrap().unwrap().digests());
        spool.sender().set_acknowledged(&Acknowledged { sections, next: None }).unwrap();
    }

    #[test]
    fn what_is_replaced_before_it_was_acknowledged_is_counted_also_across_restarts() {
        let (_directory, spool, mut reader) = reader(1 << 20);
        let superseded = || spool.reader().inventory().unwrap().unwrap().counts().superseded;
        for (content, expected) in [("a", 0), ("a", 0), ("b", 1), ("c", 2)] {
            assert_eq!(reader.store(draft("cpu", content)), Collected::Stored);
            assert_eq!(superseded(), expected, "{content}");
        }
        acknowledge(&spool);
        reader.store(draft("cpu", "d"));
        assert_eq!(superseded(), 2);
        let mut reader = again(&spool);
        reader.store(draft("cpu", "e"));
        assert_eq!((superseded(), reader.number), (3, 6));
    }

    #[test]
    fn an_inventory_without_room_is_counted_and_the_one_before_stands() {
        let (_directory, spool, mut reader) = reader(4_000);
        reader.store(draft("cpu", "small"));
        let noise: String = (0..200u32).map(|n| blake3::hash(&n.to_le_bytes()).to_hex().to_string()).collect();
        assert_eq!(reader.store(draft("cpu", &noise)), Collected::NotStored);
        let found = spool.reader().inventory().unwrap().unwrap();
        assert_eq!((found.number(), found.counts().dropped), (1, 0));
        reader.store(draft("cpu", "small again"));
        assert_eq!(spool.reader().inventory().unwrap().unwrap().counts().dropped, 1);
    }

    fn sighting(service: u32) -> Sighting {
        let key = FlowKey {
            direction: Direction::Outgoing,
            protocol: Protocol::Tcp,
            service: None,
            network: None,
            local_address: "10.0.0.1".parse().unwrap(),
            local_port: None,
            peer_address: std::net::Ipv4Addr::from_bits(0x0b00_0000 | service).into(),
            peer_port: Some(443),
        };
        Sighting { key, method: DirectionMethod::State, service_method: ServiceMethod::Socket }
    }

    #[test]
    fn weeks_without_a_collector_cost_little_and_lose_no_peer() {
        const HOUR: i64 = 3_600_000;
        const WEEKS: i64 = 5;
        let (_directory, spool, mut reader) = reader(1 << 20);
        let peers = 3 * u32::try_from(WEEKS * 7 * 24).unwrap();
        for hour in 0..WEEKS * 7 * 24 {
            let hour_number = u32::try_from(hour).unwrap();
            let sightings: Vec<_> = (0..3).map(|n| sighting(3 * hour_number + n)).collect();
            Arc::make_mut(&mut reader.watch.windows).add(&sightings, Timestamp::from_millis(hour * HOUR));
            if hour % 100 == 0 {
                reader.store_windows();
                reader = again(&spool);
            }
        }
        reader.store_windows();
        assert!(spool.used() < 256 << 10, "{}", spool.used());
        let report = spool.reader().windows().unwrap().report(|_| false);
        assert_eq!(report.flows.len(), peers as usize);
        // Once the collector has them, those not seen for long are let go.
        let digest = Digest::of(b"connections");
        reader.latest =
            Some(Latest { digests: [(Connections::NAME.to_owned(), digest)].into(), windows: Some(reader.watch.windows.revision()) });
        spool.sender().set_acknowledged(&Acknowledged { sections: [("connections".to_owned(), digest)].into(), next: None }).unwrap();
        reader.learn();
        let later = Timestamp::from_millis((WEEKS * 7 * 24 + 48) * HOUR);
        Arc::make_mut(&mut reader.watch.windows).add(&[sighting(0)], later);
        assert_eq!(reader.watch.windows.report(|_| false).flows.len(), 1);
    }

    #[test]
    fn the_machine_is_looked_at_shortly_before_each_check_in() {
        const MINUTE: i64 = 60_000;
        let schedule = |last, planned| Schedule { last, planned, ..Schedule::new(Duration::from_secs(0), Duration::from_secs(20)) };
        let cases = [
            ("at first", schedule(None, None), 0, true),
            ("long before", schedule(Some(0), Some(15 * MINUTE)), 5 * MINUTE, false),
            ("shortly before", schedule(Some(0), Some(15 * MINUTE)), 15 * MINUTE - 15_000, true),
            ("once is enough", schedule(Some(15 * MINUTE - 15_000), Some(15 * MINUTE)), 15 * MINUTE + 10_000, false),
            ("nobody checks in", schedule(Some(15 * MINUTE - 15_000), Some(15 * MINUTE)), 29 * MINUTE, false),
            ("for long", schedule(Some(15 * MINUTE - 15_000), Some(15 * MINUTE)), 30 * MINUTE, true),
            ("no plan", schedule(Some(0), None), 14 * MINUTE, false),
            ("no plan, for long", schedule(Some(0), None), 15 * MINUTE, true),
            ("driven on", schedule(Some(0), Some(1)), 10_000, false),
        ];
        for (what, schedule, now, expected) in cases {
            assert_eq!(schedule.is_due(now), expected, "{what}");
        }
        let seldom =
            Schedule { last: Some(0), planned: Some(MINUTE), ..Schedule::new(Duration::from_secs(3_600), Duration::from_secs(20)) };
        assert!(!seldom.is_due(30 * MINUTE) && seldom.is_due(60 * MINUTE));
    }
}
