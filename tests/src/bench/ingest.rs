//! How many reports a collector takes in a second, by its own processor time: the simulated agents share its processors,
//! and what they use is not counted.
//!
//! The baseline is what other inventory servers do: one statement for each row, into SQLite with the same durability.

use std::{
    fs,
    net::Ipv4Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rollcall_shared::{Timestamp, wire::v1::EnrollmentToken};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::task::JoinSet;

use crate::{
    fleet::{Machine, SimulatedAgent, hardware::Kind, machine::Plan, software::daemon_named, wire::WireError},
    harness::{Collector, CollectorOptions, TokenOptions},
};

/// Agents that report at the same time.
const PARALLEL: usize = 32;
/// Inventories written by the baseline.
const NAIVE: usize = 60;

/// Rates of the prototype that the design rests on, per core and second (FACTS: TLS, synchronous=FULL, group commit).
const FACTS_FIRST: f64 = 3_127.0;
const FACTS_UNCHANGED: f64 = 53_000.0;

/// Measures and prints.
///
/// # Errors
/// If the collector cannot be started or refuses a report.
pub async fn run(machines: usize) -> anyhow::Result<()> {
    let collector = Collector::start(CollectorOptions::default()).await?;
    let token = collector.token(TokenOptions::default()).await?;
    let fleet: Vec<Machine> = (0..machines).map(machine).collect();
    let rows: usize = fleet.iter().map(|machine| machine.packages.packages.len()).sum();
    println!("ingest: {machines} machines, {} software rows each on average, {PARALLEL} at a time, SQLite FULL", rows / machines.max(1));

    let naive = naive(&fleet).await?;
    println!("  one statement per row          {naive:9.0} inventories per second of processor time (baseline: 1)");

    let mut agents = Vec::new();
    let clock = Clock::start(&collector)?;
    for result in in_parallel(fleet, move |machine| enroll(token.clone(), machine)).await? {
        agents.push(result);
    }
    clock.print(&collector, "enroll, mutual TLS hand-shake", machines, None, naive)?;

    let clock = Clock::start(&collector)?;
    let agents = in_parallel(agents, |mut agent| async move {
        patiently(&mut agent).await?;
        Ok(agent)
    })
    .await?;
    clock.print(&collector, "first report", machines, Some(FACTS_FIRST), naive)?;

    let mut changed = agents;
    for (seed, agent) in changed.iter_mut().enumerate() {
        agent.machine.upgrade(3, seed as u64);
    }
    let clock = Clock::start(&collector)?;
    let agents = in_parallel(changed, |mut agent| async move {
        patiently(&mut agent).await?;
        Ok(agent)
    })
    .await?;
    clock.print(&collector, "delta: three packages upgraded", machines, None, naive)?;

    const ROUNDS: usize = 5;
    let clock = Clock::start(&collector)?;
    in_parallel(agents, |mut agent| async move {
        for _ in 0..ROUNDS {
            let answer = agent.check_in().await?;
            ensure!(answer.want.is_empty(), "an unchanged machine is asked for {:?}", answer.want);
        }
        Ok(agent)
    })
    .await?;
    clock.print(&collector, "unchanged check-in", machines * ROUNDS, Some(FACTS_UNCHANGED), naive)?;
    println!("  memory of the collector        {:9.1} MiB", collector.resident_bytes()? as f64 / 1_048_576.0);
    Ok(())
}

/// A server with services, the `index`th.
fn machine(index: usize) -> Machine {
    let [_, second, third, fourth] = u32::try_from(index).unwrap_or(0).to_be_bytes();
    Machine::build(&Plan {
        seed: index as u64,
        hostname: format!("bench-{index:06}"),
        role: "bench",
        site: "ham",
        kind: if index.is_multiple_of(3) { Kind::VirtualMachine } else { Kind::Laptop },
        address: Ipv4Addr::new(10, second.wrapping_add(100), third, fourth),
        resolvers: Vec::new(),
        daemons: &[daemon_named("nginx"), daemon_named("node-exporter")],
        now: Timestamp::now(),
    })
}

async fn enroll(token: EnrollmentToken, machine: Machine) -> anyhow::Result<SimulatedAgent> {
    Ok(SimulatedAgent::enroll(&token, machine).await?)
}

async fn patiently(agent: &mut SimulatedAgent) -> anyhow::Result<()> {
    loop {
        match agent.report().await {
            Ok(_) => return Ok(()),
            Err(WireError::Refused { status, .. }) if matches!(status.as_u16(), 429 | 503) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Does something with every item, so many at a time.
async fn in_parallel<T, R, F>(items: Vec<T>, work: impl Fn(T) -> F + Send + Sync + 'static) -> anyhow::Result<Vec<R>>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Future<Output = anyhow::Result<R>> + Send,
{
    let work = Arc::new(work);
    let permits = Arc::new(tokio::sync::Semaphore::new(PARALLEL));
    let mut running = JoinSet::new();
    for item in items {
        let (work, permits) = (Arc::clone(&work), Arc::clone(&permits));
        running.spawn(async move {
            let _permit = permits.acquire_owned().await?;
            work(item).await
        });
    }
    let mut results = Vec::new();
    while let Some(result) = running.join_next().await {
        results.push(result??);
    }
    Ok(results)
}

/// Wall and processor time of a phase.
struct Clock {
    wall: Instant,
    processor: Duration,
}

impl Clock {
    fn start(collector: &Collector) -> anyhow::Result<Self> {
        Ok(Self { wall: Instant::now(), processor: processor_time(collector)? })
    }

    fn print(self, collector: &Collector, what: &str, count: usize, facts: Option<f64>, naive: f64) -> anyhow::Result<()> {
        let wall = self.wall.elapsed().as_secs_f64();
        let processor = processor_time(collector)?.saturating_sub(self.processor).as_secs_f64().max(0.01);
        let (rate, count) = (count as f64 / processor, count as f64);
        let facts = facts.map(|facts| format!(", {:.2} of the prototype's {facts:.0}", rate / facts)).unwrap_or_default();
        println!(
            "  {what:<30} {rate:9.0} per second of processor time [{:.0} a second of wall time]: {:.1} x baseline{facts}",
            count / wall,
            rate / naive
        );
        Ok(())
    }
}

/// Processor time that the collector's process has used.
fn processor_time(collector: &Collector) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", collector.process_id().context("not running")?))?;
    // Fields after the name, which is in brackets and may hold anything: utime and stime are the 12th and 13th.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).context("/proc/PID/stat");
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / per_second.max(1)))
}

/// Inventories per second of processor time, one statement for each row.
async fn naive(fleet: &[Machine]) -> anyhow::Result<f64> {
    let directory = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new()
        .filename(directory.path().join("naive.sqlite"))
        .create_if_missing(true)
        .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
        .synchronous(sqlx::sqlite::SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    for statement in [
        "CREATE TABLE machine (id INTEGER PRIMARY KEY, name TEXT, json TEXT)",
        "CREATE TABLE software (id INTEGER PRIMARY KEY, name TEXT, version TEXT, UNIQUE (name, version))",
        "CREATE TABLE installed (machine INTEGER, software INTEGER, PRIMARY KEY (machine, software))",
    ] {
        sqlx::query(statement).execute(&mut connection).await?;
    }
    let before = own_processor_time()?;
    let fleet = &fleet[..fleet.len().min(NAIVE)];
    for (number, machine) in fleet.iter().enumerate() {
        let number = i64::try_from(number)?;
        let mut transaction = connection.begin().await?;
        sqlx::query("INSERT INTO machine VALUES (?, ?, ?)")
            .bind(number)
            .bind(&machine.identity.hostname)
            .bind(serde_json::to_string(&machine.hardware)?)
            .execute(&mut *transaction)
            .await?;
        for package in &machine.packages.packages {
            sqlx::query("INSERT OR IGNORE INTO software (name, version) VALUES (?, ?)")
                .bind(&package.name)
                .bind(&package.version)
                .execute(&mut *transaction)
                .await?;
            let id: i64 = sqlx::query_scalar("SELECT id FROM software WHERE name = ? AND version = ?")
                .bind(&package.name)
                .bind(&package.version)
                .fetch_one(&mut *transaction)
                .await?;
            sqlx::query("INSERT OR IGNORE INTO installed VALUES (?, ?)").bind(number).bind(id).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
    }
    let used = own_processor_time()?.saturating_sub(before);
    Ok(fleet.len() as f64 / used.as_secs_f64().max(0.001))
}

fn own_processor_time() -> anyhow::Result<Duration> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF)?;
    let micros = |time: nix::sys::time::TimeVal| u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or(0);
    Ok(Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time())))
}
