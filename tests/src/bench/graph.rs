//! The targets of the dependency graph as one table: the core alone, the same questions to SQLite and PostgreSQL, and a real collector over
//! HTTP. Figures of the core are CPU time of one thread; what another process or thread answers is wall time.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::harness::{Collector, CollectorOptions, api::text};

pub mod estate;
pub mod pure;
pub mod stored;

use estate::{Estate, Shape};
use pure::{LikeForLike, Line, Reached};

/// What is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Sizes of the estate, ascending; the last is the one that targets are for.
    pub sizes: Vec<usize>,
    /// Configuration items of the largest estate that is put into the databases.
    pub stored: usize,
    /// Outages asked.
    pub questions: usize,
    /// Gives up on a recursive CTE after this long; it counts with this time.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { sizes: vec![10_000, 100_000, 1_000_000], stored: 1_000_000, questions: 200, patience: Duration::from_secs(5) }
    }
}

const REACHED: &str = "WITH RECURSIVE reached(ci) AS (SELECT CAST($1 AS integer) UNION SELECT dependent FROM reached JOIN edge ON dependency = ci) \
                       SELECT count(*) - 1, CAST(sum(ci) AS bigint) - CAST($1 AS integer) FROM reached";

/// Measures and prints.
///
/// # Errors
/// If a database or the collector fails, or reaches something else than the graph.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("graph");
    for shape in Shape::ALL {
        let mut all: Vec<(usize, Vec<Line>)> = Vec::new();
        for (at, &size) in options.sizes.iter().enumerate() {
            let estate = Estate::generate(size, shape, 1);
            let questions = estate.questions(options.questions);
            eprintln!("{}: {size} CIs, {} dependencies, {} need groups", shape.label(), estate.edges.len(), estate.groups.len());
            let (mut lines, same) = pure::measure(&estate, &questions, &file)?;
            let (seconds, megabytes) = loaded_elsewhere(&file)?;
            lines.push(pure::at_most("load from a snapshot file to the first answer", seconds, 0.5, "s", "<= 0.5 s"));
            lines.push(pure::at_most("  resident memory", megabytes, 400.0, "MB", "<= 400 MB"));
            let is_largest = at + 1 == options.sizes.len();
            if is_largest {
                for (what, times) in [
                    ("  SQLite, recursive CTE, ids only, the same set", sqlite(&estate, &questions, options.patience, &same).await?),
                    ("  PostgreSQL, the same", postgres(&estate, &questions, options.patience, &same).await?),
                ] {
                    let ratio = times.as_secs_f64() / same.own.as_secs_f64();
                    lines.push(Line { what, figure: ratio, target: ">= 60x slower", met: Some(ratio >= 60.0), unit: "x" });
                }
            }
            all.push((size, lines));
        }
        println!("\n{}", shape.label());
        print(&all);
    }
    let (live, past) = over_http().await?;
    println!("\na real collector over HTTP, wall time");
    println!("{:75} {live:12.3} ms  <= 30 ms      {}", "answer with 1,000 affected rows, p99", verdict(Some(live <= 30.0)));
    println!("{:75} {:12.3} x   <= 2x         {}", "  as of an instant, after the first, median", past, verdict(Some(past <= 2.0)));
    // One shape is enough: stores do not care how dependencies lie.
    let mut all = Vec::new();
    for size in options.sizes.iter().copied().filter(|&size| size < options.stored).take(1).chain([options.stored]) {
        all.push((size, from_stores(&Estate::generate(size, Shape::Popular, 1)).await?));
    }
    println!("\nfrom the stores");
    print(&all);
    Ok(())
}

async fn from_stores(estate: &Estate) -> anyhow::Result<Vec<Line>> {
    let directory = tempfile::tempdir()?;
    let mut lines = Vec::new();
    for (url, what) in [
        ("sqlite:store.db".to_owned(), "load from SQLite to the first answer, CPU of the process"),
        (crate::postgres::new_database().await?, "load from PostgreSQL to the first answer, CPU of the process"),
    ] {
        let begun = Instant::now();
        let store = rollcall::store::open(&url, directory.path()).await?;
        stored::fill(&store, estate).await?;
        drop(store);
        eprintln!("  stored in {:.0} s", begun.elapsed().as_secs_f64());
        // Each in a process of its own: that of the copy has everything in memory.
        let process = |what: &str| {
            let mut command = std::process::Command::new(std::env::current_exe()?);
            command.args([what, &url, &estate.cis.to_string()]).arg(directory.path()).output()
        };
        let copied = process("copy-graph")?;
        anyhow::ensure!(copied.status.success(), "the graph was not copied: {}", String::from_utf8_lossy(&copied.stderr));
        let output = process("load-store")?;
        let loaded: stored::Loaded = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("the store was not loaded: {}", String::from_utf8_lossy(&output.stderr)))?;
        eprintln!("  {loaded:?}");
        lines.extend(loaded.lines(what));
    }
    Ok(lines)
}

/// Keeps a copy of a store's graph in it.
///
/// # Errors
/// If the store fails.
pub async fn copy_graph(url: &str, cis: usize, directory: &Path) -> anyhow::Result<()> {
    stored::copy(&rollcall::store::open(url, directory).await?, cis).await
}

/// Loads a store, in a process of its own, and prints what that took.
///
/// # Errors
/// If the store fails.
pub async fn load_store(url: &str, cis: usize, directory: &Path) -> anyhow::Result<()> {
    let store = rollcall::store::open(url, directory).await?;
    println!("{}", serde_json::to_string(&stored::load(&store, directory, cis).await?)?);
    Ok(())
}

fn print(all: &[(usize, Vec<Line>)]) {
    let Some((largest, lines)) = all.last() else { return };
    println!("{:75} {largest:>12} CIs                  grows with the power", "");
    for (at, line) in lines.iter().enumerate() {
        // The same words may be below several.
        let like = |other: &&Line| other.what == line.what;
        let before = lines[..at].iter().filter(like).count();
        let smallest = all.first().and_then(|(size, lines)| Some((*size, lines.iter().filter(like).nth(before)?.figure)));
        let power = smallest.filter(|(size, figure)| size < largest && *figure > 0.0 && line.figure > 0.0 && line.unit != "x");
        let power = power.map(|(size, figure)| format!("{:5.2}", (line.figure / figure).log10() / (*largest as f64 / size as f64).log10()));
        println!(
            "{:75} {:12.3} {:3} {:14}{:7} {}",
            line.what,
            line.figure,
            line.unit,
            line.target,
            verdict(line.met),
            power.unwrap_or_default()
        );
    }
}

fn verdict(met: Option<bool>) -> &'static str {
    met.map_or("", |met| if met { "met" } else { "MISSED" })
}

/// Loads the file in a process of its own, whose memory is this graph's and no other's.
fn loaded_elsewhere(file: &Path) -> anyhow::Result<(f64, f64)> {
    const TIMES: usize = 5;
    let mut least = (f64::MAX, f64::MAX);
    for _ in 0..TIMES {
        let output = std::process::Command::new(std::env::current_exe()?).arg("load-graph").arg(file).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut figures = text.split_whitespace().skip(1).map(str::parse);
        match (figures.next(), figures.next()) {
            (Some(Ok(seconds)), Some(Ok(megabytes))) => least = (least.0.min(seconds), least.1.min(megabytes)),
            _ => anyhow::bail!("the snapshot was not loaded: {text} {}", String::from_utf8_lossy(&output.stderr)),
        }
    }
    Ok(least)
}

fn edges_as_json(estate: &Estate) -> anyhow::Result<String> {
    Ok(serde_json::to_string(&estate.pairs().collect::<Vec<_>>())?)
}

async fn sqlite(estate: &Estate, questions: &[u32], patience: Duration, same: &LikeForLike) -> anyhow::Result<Duration> {
    let directory = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new().filename(directory.path().join("edges.sqlite")).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::query(
        "CREATE TABLE edge (dependency INTEGER NOT NULL, dependent INTEGER NOT NULL, PRIMARY KEY (dependency, dependent)) WITHOUT ROWID",
    )
    .execute(&mut connection)
    .await?;
    sqlx::query("INSERT INTO edge SELECT value ->> 1, value ->> 0 FROM json_each(?) ORDER BY 1, 2")
        .bind(edges_as_json(estate)?)
        .execute(&mut connection)
        .await?;
    sqlx::query("PRAGMA cache_size = -1000000").execute(&mut connection).await?;
    let mut sum = Duration::ZERO;
    for (&ci, expected) in questions.iter().zip(&same.reached) {
        let started = Instant::now();
        let query = sqlx::query_as::<_, (i64, i64)>(REACHED).bind(i64::from(ci));
        let answer = tokio::time::timeout(patience, query.fetch_one(&mut connection)).await;
        sum += started.elapsed();
        match answer {
            Ok(found) => the_same(ci, found?, expected)?,
            // What was given up goes on in its connection.
            Err(_) => connection = SqliteConnection::connect_with(&options).await?,
        }
    }
    Ok(sum)
}

async fn postgres(estate: &Estate, questions: &[u32], patience: Duration, same: &LikeForLike) -> anyhow::Result<Duration> {
    let url = crate::postgres::new_database().await?;
    let mut connection = PgConnection::connect(&url).await?;
    sqlx::query("CREATE TABLE edge (dependency integer NOT NULL, dependent integer NOT NULL)").execute(&mut connection).await?;
    for some in estate.edges.chunks(500_000) {
        let (from, to): (Vec<i32>, Vec<i32>) = some.iter().map(|&(from, to, _)| (from.cast_signed(), to.cast_signed())).unzip();
        sqlx::query("INSERT INTO edge SELECT * FROM unnest($1::integer[], $2::integer[])")
            .bind(to)
            .bind(from)
            .execute(&mut connection)
            .await?;
    }
    sqlx::query("CREATE UNIQUE INDEX edge_by_dependency ON edge (dependency, dependent)").execute(&mut connection).await?;
    sqlx::query("VACUUM ANALYZE edge").execute(&mut connection).await?;
    let limit = sqlx::AssertSqlSafe(format!("SET statement_timeout = {}", patience.as_millis()));
    sqlx::query(limit).execute(&mut connection).await?;
    let mut sum = Duration::ZERO;
    for (&ci, expected) in questions.iter().zip(&same.reached) {
        let started = Instant::now();
        let answer = sqlx::query_as::<_, (i64, i64)>(REACHED).bind(ci.cast_signed()).fetch_one(&mut connection).await;
        sum += started.elapsed();
        match answer {
            Ok(found) => the_same(ci, found, expected)?,
            Err(error) => {
                let timed_out = error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("57014"));
                anyhow::ensure!(timed_out, "PostgreSQL: {error}");
            }
        }
    }
    Ok(sum)
}

fn the_same(ci: u32, (count, sum): (i64, i64), expected: &Reached) -> anyhow::Result<()> {
    let found = Reached { count: count.cast_unsigned(), sum: sum.cast_unsigned() };
    anyhow::ensure!(found == *expected, "the database reaches {found:?} from {ci}, the graph {expected:?}");
    Ok(())
}

/// The 99th percentile of an answer with 1,000 affected rows from a real collector, in milliseconds; and the median of one as of a past instant, by
/// that of one of now.
async fn over_http() -> anyhow::Result<(f64, f64)> {
    const ROWS: usize = 1_000;
    const ASKED: usize = 300;
    const TIMES: usize = 3;
    let collector = Collector::start(CollectorOptions::default()).await?;
    let api = collector.api();
    let ci = async |name: String| -> anyhow::Result<String> {
        Ok(text(&api.post("/api/v1/cis", &json!({ "class": "server", "name": name })).await?, "id")?.to_owned())
    };
    let database = ci("bench-database".into()).await?;
    for row in 0..ROWS {
        let dependent = ci(format!("bench-{row:04}")).await?;
        api.post("/api/v1/relationships", &json!({ "type": "depends_on", "from": dependent, "to": database })).await?;
    }
    // Median and 99th percentile, the least of several rounds.
    let asked = async |body: serde_json::Value| -> anyhow::Result<[f64; 2]> {
        let mut least = [f64::MAX; 2];
        // The first makes what the others find made.
        let _ = api.send(Method::POST, "/api/v1/impact", Some(&body)).await?;
        for _ in 0..TIMES {
            let mut times = Vec::new();
            for _ in 0..ASKED {
                let started = Instant::now();
                let (status, answer) = api.send(Method::POST, "/api/v1/impact", Some(&body)).await?;
                times.push(started.elapsed());
                anyhow::ensure!(status.is_success(), "{status}: {answer}");
                let rows = answer.get("affected").and_then(serde_json::Value::as_array).map_or(0, Vec::len);
                anyhow::ensure!(rows == ROWS, "{rows} affected in {answer}");
            }
            times.sort_unstable();
            for (least, percent) in least.iter_mut().zip([50, 99]) {
                *least = least.min(times.get(times.len() * percent / 100).context("no times")?.as_secs_f64() * 1e3);
            }
        }
        Ok(least)
    };
    let failures = json!([{ "ci": database }]);
    let [median, p99] = asked(json!({ "failures": failures })).await?;
    // Far enough in the past to be kept: only that is worth comparing.
    let then = tokio::time::Instant::now() + Duration::from_secs(61);
    let instant = time_now();
    tokio::time::sleep_until(then).await;
    let [past, _] = asked(json!({ "failures": failures, "as_of": instant })).await?;
    Ok((p99, past / median))
}

fn time_now() -> String {
    rollcall_shared::Timestamp::now().to_string()
}
