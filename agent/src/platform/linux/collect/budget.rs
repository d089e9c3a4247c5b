//! What an inventory may take: wall time for each collector, a share of the processor, memory.
//!
//! Collectors run one after another on a thread of their own, which ends with the inventory. One that does not come back in
//! time (a file system whose server has gone, say) is abandoned with its thread: its section is reported as failed, the rest
//! goes on in a new thread, and it is not started again while the old one hangs.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rollcall_shared::{
    Digest, Timestamp,
    wire::v1::{Announced, Section, SectionStatus},
};
use serde_json::value::RawValue;

use super::{Collector, Machine};
use crate::{
    files::Root,
    memory,
    observe::{Attribution, Windows},
};

/// The limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall time of one collector.
    pub time: Duration,
    /// Share of one processor over time, percent.
    pub cpu_percent: u32,
    /// Resident memory of this process, bytes.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(20), cpu_percent: 10, memory: 64 << 20 }
    }
}

/// What is looked at; shared with the thread that looks.
#[derive(Clone)]
pub struct Subject {
    /// Where the machine's files are.
    pub root: Root,
    /// The time by the machine's clock.
    pub now: Timestamp,
    /// Connections added up.
    pub windows: Arc<Windows>,
    /// The latest sample of the socket table, or why there is none.
    pub attribution: Arc<Result<Attribution, String>>,
    /// Which of [`super::EXTRAS`] are collected too.
    pub extras: Arc<[String]>,
    /// What devices on the local network announce.
    pub announced: Arc<[Announced]>,
}

/// Keeps an agent's inventories within their limits.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    processor: Processor,
    /// Collectors that were abandoned, and whether they have come back since.
    hanging: BTreeMap<&'static str, Arc<AtomicBool>>,
}

impl Budget {
    /// Nothing used yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, processor: Processor::new(limits.cpu_percent, Instant::now(), processor_time()), hanging: BTreeMap::new() }
    }

    /// Whether there is enough of the share of the processor left to begin an inventory.
    pub fn may_start(&mut self) -> bool {
        self.processor.left(Instant::now(), processor_time()) >= Processor::ENOUGH
    }

    /// Runs those of `collectors` that are `enabled`, and hands each section over as soon as it is there.
    pub fn collect(
        &mut self,
        collectors: &'static [Collector],
        subject: &Subject,
        enabled: &[String],
        mut section: impl FnMut(&'static str, Section),
    ) {
        let mut worker: Option<Worker> = None;
        for collector in collectors.iter().filter(|collector| enabled.iter().any(|name| name == collector.name)) {
            let name = collector.name;
            let found = match self.refusal(name) {
                Some(reason) => Err(reason),
                None => self.run(&mut worker, collector, subject),
            };
            match found {
                Ok(found) => section(name, found),
                Err(reason) => {
                    tracing::warn!(section = name, %reason, "a section could not be collected");
                    section(name, failed(reason, subject.now));
                }
            }
        }
        if let Some(worker) = worker {
            worker.end();
        }
    }

    /// Why this collector is not even started.
    fn refusal(&mut self, name: &'static str) -> Option<String> {
        if let Some(back) = self.hanging.get(name) {
            if !back.load(Ordering::Acquire) {
                return Some("it still hangs since an earlier inventory, and is not started again until it comes back".to_owned());
            }
            self.hanging.remove(name);
        }
        if self.processor.left(Instant::now(), processor_time()) <= 0 {
            return Some(format!("left out: this agent has used its share of the processor, {} % (cpu-share)", self.limits.cpu_percent));
        }
        self.memory_refusal(memory::resident)
    }

    fn memory_refusal(&self, resident: impl Fn() -> Option<u64>) -> Option<String> {
        if resident()? <= self.limits.memory {
            return None;
        }
        memory::give_back();
        let held = resident()?;
        (held > self.limits.memory).then(|| format!("left out: this agent may hold {} bytes of memory (memory-limit)", self.limits.memory))
    }

    fn run(&mut self, worker: &mut Option<Worker>, collector: &'static Collector, subject: &Subject) -> Result<Section, String> {
        let running = match worker.take() {
            Some(running) => running,
            None => Worker::start(subject.clone()).map_err(|error| format!("no thread could be started for it: {error}"))?,
        };
        match running.run(collector, self.limits.time) {
            Ok(section) => {
                *worker = Some(running);
                section
            }
            Err(RecvTimeoutError::Timeout) => {
                self.hanging.insert(collector.name, running.abandon());
                Err(format!("took longer than {} s and was abandoned (collector-time-limit)", self.limits.time.as_secs_f64()))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err("its collector stopped unexpectedly; please report this with the agent's log".to_owned())
            }
        }
    }
}

fn failed(reason: String, now: Timestamp) -> Section {
    let status = SectionStatus::Failed { reason };
    let digest = Section::digest_of(&status, b"null").unwrap_or_else(|_| Digest::of(b"failed"));
    Section { status, collected_at: now, duration_ms: 0, digest, data: RawValue::NULL.to_owned() }
}

/// A thread that collects.
struct Worker {
    jobs: Sender<&'static Collector>,
    results: Receiver<Result<Section, String>>,
    /// Set when the thread is between two collectors, or has ended.
    idle: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn start(subject: Subject) -> std::io::Result<Self> {
        let (jobs, to_do) = mpsc::channel::<&'static Collector>();
        let (done, results) = mpsc::channel();
        let idle = Arc::new(AtomicBool::new(false));
        let comes_back = Arc::clone(&idle);
        let thread = std::thread::Builder::new().name("collect".to_owned()).spawn(move || {
            // Dropped also when a collector panics.
            let _back = SetOnDrop(comes_back);
            let attribution = subject.attribution.as_ref().as_ref().map_err(Clone::clone);
            let machine = Machine::new(&subject.root, subject.now, &subject.windows, attribution).with_extras(&subject.extras);
            let machine = machine.with_announced(&subject.announced);
            while let Ok(collector) = to_do.recv() {
                let section = (collector.collect)(&machine).map_err(|error| format!("it could not be written as JSON: {error}"));
                // Nobody listens: this thread was abandoned while it hung.
                if done.send(section).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { jobs, results, idle, thread })
    }

    fn run(&self, collector: &'static Collector, limit: Duration) -> Result<Result<Section, String>, RecvTimeoutError> {
        self.jobs.send(collector).map_err(|_| RecvTimeoutError::Disconnected)?;
        self.results.recv_timeout(limit)
    }

    /// Waits for nothing; tells when the thread has ended.
    fn abandon(self) -> Arc<AtomicBool> {
        self.idle
    }

    /// Ends the thread, which has nothing left to do.
    fn end(self) {
        drop(self.jobs);
        // A panic was reported when it happened.
        let _ = self.thread.join();
    }
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// The share of the processor as an account: it fills with time and empties with use.
#[derive(Debug)]
struct Processor {
    percent: u32,
    /// Microseconds of processor time that may be used.
    left: i64,
    at: Instant,
    used: Duration,
}

impl Processor {
    /// What can be saved up: a first inventory of a large machine must fit.
    const MOST: i64 = 10_000_000;
    /// An inventory is not begun with less.
    const ENOUGH: i64 = 500_000;

    fn new(percent: u32, now: Instant, used: Duration) -> Self {
        Self { percent, left: Self::MOST, at: now, used }
    }

    /// What is left, microseconds, where this process has used `used` so far.
    fn left(&mut self, now: Instant, used: Duration) -> i64 {
        let micros = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let gained = micros(now.saturating_duration_since(self.at)).saturating_mul(i64::from(self.percent)) / 100;
        self.left = self.left.saturating_add(gained).saturating_sub(micros(used.saturating_sub(self.used))).clamp(-Self::MOST, Self::MOST);
        (self.at, self.used) = (now, used);
        self.left
    }
}

/// Processor time that this process has used.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What the hanging collector waits for; one test at a time uses it.
    static GATE: Mutex<Option<Receiver<()>>> = Mutex::new(None);
    static ENTERED: AtomicBool = AtomicBool::new(false);

    fn good(machine: &Machine<'_>) -> Result<Section, serde_json::Error> {
        Ok(Section { status: SectionStatus::Ok, ..failed(String::new(), machine.now) })
    }

    fn hangs(machine: &Machine<'_>) -> Result<Section, serde_json::Error> {
        assert!(!ENTERED.swap(true, Ordering::SeqCst), "it was started again while it hung");
        let gate = GATE.lock().unwrap().take();
        if let Some(gate) = gate {
            let _ = gate.recv();
        }
        ENTERED.store(false, Ordering::SeqCst);
        good(machine)
    }

    fn panics(_: &Machine<'_>) -> Result<Section, serde_json::Error> {
        std::panic::resume_unwind(Box::new("on purpose"))
    }

    static COLLECTORS: &[Collector] = &[
        Collector { name: "before", collect: good },
        Collector { name: "hangs", collect: hangs },
        Collector { name: "panics", collect: panics },
        Collector { name: "after", collect: good },
    ];

    fn subject() -> Subject {
        let attribution = Arc::new(Err("not asked".to_owned()));
        Subject {
            root: Root::new("/nonexistent"),
            now: Timestamp::default(),
            windows: Arc::default(),
            attribution,
            extras: Arc::default(),
            announced: Arc::default(),
        }
    }

    fn collected(budget: &mut Budget) -> Vec<(&'static str, SectionStatus)> {
        let enabled = COLLECTORS.iter().map(|collector| collector.name.to_owned()).collect::<Vec<_>>();
        let mut found = Vec::new();
        budget.collect(COLLECTORS, &subject(), &enabled, |name, section| found.push((name, section.status)));
        found
    }

    fn reason(status: &SectionStatus) -> &str {
        match status {
            SectionStatus::Failed { reason } => reason,
            _ => "",
        }
    }

    #[test]
    fn a_collector_that_hangs_is_abandoned_and_not_started_again_until_it_comes_back() {
        let (open, gate) = mpsc::channel();
        *GATE.lock().unwrap() = Some(gate);
        let mut budget = Budget::new(Limits { time: Duration::from_millis(50), ..Limits::default() });
        for round in ["took longer than 0.05 s", "still hangs", "still hangs"] {
            let found = collected(&mut budget);
            assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["before", "hangs", "panics", "after"]);
            assert_eq!((&found[0].1, &found[3].1), (&SectionStatus::Ok, &SectionStatus::Ok));
            assert!(reason(&found[1].1).contains(round), "{found:?}");
            assert!(reason(&found[2].1).contains("stopped unexpectedly"), "{found:?}");
        }
        open.send(()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while !budget.hanging["hangs"].load(Ordering::Acquire) {
            assert!(Instant::now() < deadline, "it does not come back");
            std::thread::yield_now();
        }
        assert_eq!(collected(&mut budget)[1], ("hangs", SectionStatus::Ok));
    }

    #[test]
    fn what_would_go_beyond_the_share_of_the_processor_is_left_out() {
        let start = Instant::now();
        let mut account = Processor::new(10, start, Duration::ZERO);
        let after = |wall: u64| start + Duration::from_secs(wall);
        assert_eq!(account.left(after(0), Duration::from_secs(4)), 6_000_000);
        assert_eq!(account.left(after(10), Duration::from_secs(4)), 7_000_000);
        assert_eq!(account.left(after(10_000), Duration::from_secs(4)), Processor::MOST);
        assert_eq!(account.left(after(10_000), Duration::from_secs(16)), -2_000_000);
        // It comes back with time, however much was used at once.
        assert_eq!(account.left(after(10_000), Duration::from_secs(1_000)), -Processor::MOST);
        assert_eq!(account.left(after(10_100), Duration::from_secs(1_000)), 0);

        let mut budget = Budget::new(Limits::default());
        budget.processor.left = -1_000_000;
        assert!(!budget.may_start());
        assert!(reason(&collected(&mut budget)[0].1).contains("cpu-share"));
        budget.processor.left = Processor::MOST;
        assert!(budget.may_start());
    }

    #[test]
    fn what_would_go_beyond_the_memory_is_left_out() {
        let budget = Budget::new(Limits { memory: 100, ..Limits::default() });
        assert!(budget.memory_refusal(|| Some(101)).unwrap().contains("memory-limit"));
        assert_eq!(budget.memory_refusal(|| Some(100)), None);
        assert_eq!(budget.memory_refusal(|| None), None);
        let mut tight = Budget::new(Limits { memory: 1, ..Limits::default() });
        assert!(collected(&mut tight).iter().all(|(_, status)| reason(status).contains("memory-limit")));
    }
}
