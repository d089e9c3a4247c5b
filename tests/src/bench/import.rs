//! How long a table takes to preview, apply and preview again, and what memory it takes, through the command line as people use it.
//!
//! The baseline looks every row up and inserts it with one statement each, into SQLite with the same durability and one transaction for 500
//! rows: less than an import does, and what other servers' imports are made of.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde_json::Value;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::harness::{Collector, CollectorOptions, binary};

/// Rows in one transaction.
const PART: usize = 500;
/// The limit that is promised for 100,000 rows.
const PROMISED: Duration = Duration::from_secs(20);

/// Measures and prints.
///
/// # Errors
/// If the collector refuses the table.
pub async fn run(rows: usize) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    println!("import: {rows} rows of CSV with 12 columns");
    let baseline = baseline(&dir.path().join("baseline.db"), rows).await?;
    println!("  one look-up and one insert per row  {:8.2} s (baseline: 1)", baseline.as_secs_f64());

    let file = dir.path().join("register.csv");
    write(&file, rows)?;
    let small = dir.path().join("small.csv");
    write(&small, rows / 100)?;
    let collector = Collector::start(CollectorOptions::default()).await?;
    import(&collector, &[&small.to_string_lossy(), "--as", "small"]).await?;
    let before = collector.resident_bytes()?;
    let print = |what: &str, took: Duration| {
        println!("  {what:<35} {:8.2} s, {:.2} of the baseline", took.as_secs_f64(), took.as_secs_f64() / baseline.as_secs_f64());
    };
    let path = file.to_string_lossy().into_owned();
    let (preview, first) = import(&collector, &[&path, "--as", "register"]).await?;
    ensure!(preview["import"]["counts"]["create"] == rows, "{preview}");
    print("preview, all new", first);
    let grown = collector.resident_bytes()?.saturating_sub(before) as f64 / 1_048_576.0;
    println!("  memory beyond that of a table of a hundredth {grown:.1} MiB");
    let id = preview["import"]["id"].as_str().context("no id")?.to_owned();
    let (applied, took) = import(&collector, &["--apply-id", &id]).await?;
    ensure!(applied["import"]["state"] == "applied", "{applied}");
    print("apply", took);
    let (again, second) = import(&collector, &[&path, "--as", "register"]).await?;
    ensure!(again["import"]["counts"]["unchanged"] == rows, "{}", again["import"]);
    print("preview, all known", second);
    let (undone, took) = import(&collector, &["--undo", &id]).await?;
    ensure!(undone["import"]["state"] == "undone" && undone["import"]["left"] == 0, "{undone}");
    print("undo", took);
    let promised = PROMISED.mul_f64(rows as f64 / 100_000.0);
    let kept = if first.max(second) <= promised { "kept" } else { "NOT kept" };
    println!("  promised: a preview within {:.1} s: {kept}", promised.as_secs_f64());
    Ok(())
}

async fn import(collector: &Collector, arguments: &[&str]) -> anyhow::Result<(Value, Duration)> {
    let mut command = Command::new(binary("rollcall"));
    command.args(["--output", "json", "--data-dir", &collector.data_dir().to_string_lossy(), "import", "--limit", "1"]).args(arguments);
    let begun = Instant::now();
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let took = begun.elapsed();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok((serde_json::from_slice(&output.stdout)?, took))
}

/// A register as an asset manager has it.
fn write(path: &Path, rows: usize) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "Name,Class,Serial No,Manufacturer,Model,Asset Tag,Owner,Location,Description,IP Address,Tags,OS")?;
    for n in 0..rows {
        writeln!(
            out,
            "lap-{n:06},Notebook,SN{n:08},Lenovo,ThinkPad T{},A{n:07},Team {},Building {},\"Desk {n}, floor {}\",10.{}.{}.{},pool; leased,Debian",
            n % 30,
            n % 97,
            n % 12,
            n % 7,
            n >> 16 & 255,
            n >> 8 & 255,
            n & 255,
        )?;
    }
    Ok(out.flush()?)
}

async fn baseline(path: &Path, rows: usize) -> anyhow::Result<Duration> {
    let options =
        SqliteConnectOptions::new().filename(path).create_if_missing(true).pragma("journal_mode", "WAL").pragma("synchronous", "FULL");
    let mut connection = SqliteConnection::connect_with(&options).await?;
    sqlx::raw_sql("CREATE TABLE item (serial TEXT PRIMARY KEY, name TEXT, owner TEXT)").execute(&mut connection).await?;
    let begun = Instant::now();
    for part in 0..rows.div_ceil(PART) {
        let mut tx = connection.begin().await?;
        for n in part * PART..rows.min((part + 1) * PART) {
            let serial = format!("SN{n:08}");
            let known: Option<String> =
                sqlx::query_scalar("SELECT name FROM item WHERE serial = ?1").bind(&serial).fetch_optional(&mut *tx).await?;
            ensure!(known.is_none());
            let name = format!("lap-{n:06}");
            sqlx::query("INSERT INTO item VALUES (?1, ?2, ?3)").bind(&serial).bind(&name).bind("Team").execute(&mut *tx).await?;
        }
        tx.commit().await?;
    }
    Ok(begun.elapsed())
}
