//! `rollcall-agent status`

use std::{io::Write, path::Path};

use rollcall_shared::Timestamp;
use serde::Serialize;

use super::{FAILURE, WAITING};
use crate::{
    clock::{self, LocalTime},
    spool::{DEFAULT_LIMIT, Spool},
    state::{Held, Identity, LastError, Progress, StateDirectory},
};

/// What can be said on the command line.
#[derive(clap::Args)]
pub(super) struct Options {
    /// How to print: text or json.
    #[arg(long, default_value = "text", value_parser = ["text", "json"])]
    output: String,
}

/// What there is to say.
#[derive(Serialize)]
struct Status {
    agent_id: String,
    collector: Vec<String>,
    generation: u64,
    certificate_ends: Timestamp,
    last_check_in: Option<Timestamp>,
    exchanges_answered: u64,
    acknowledged_sections: usize,
    clock_ahead_ms: Option<i64>,
    spool_bytes: u64,
    upload_waiting: bool,
    dropped_documents: u64,
    superseded_inventories: u64,
    damaged_files: u64,
    running: bool,
    held: Option<Held>,
    last_error: Option<LastError>,
}

pub(super) fn run(state_dir: &Path, options: &Options) -> anyhow::Result<u8> {
    let state = StateDirectory::new(state_dir);
    let mut out = std::io::stdout().lock();
    let Some(identity) = state.identity()? else {
        let pending = state.enrollment()?.is_some();
        match (options.output.as_str(), pending) {
            ("json", _) => writeln!(out, "{{\"enrolled\":false,\"pending\":{pending}}}")?,
            (_, true) => writeln!(
                out,
                "not enrolled yet: enrollment was begun\nnext: approve this machine on the collector, then run: rollcall-agent enroll"
            )?,
            (_, false) => {
                writeln!(out, "not enrolled\nnext: rollcall-agent enroll --token TOKEN   (create one with: rollcall token create)")?
            }
        }
        return Ok(if pending { WAITING } else { FAILURE });
    };
    let status = read(&state, &identity, state.progress()?);
    if options.output == "json" {
        serde_json::to_writer_pretty(&mut out, &status)?;
        writeln!(out)?;
    } else {
        print(&mut out, &status, clock::best(state.progress()?.server_time.as_ref(), &LocalTime::now()))?;
    }
    Ok(if status.held.is_some() { WAITING } else { 0 })
}

fn read(state: &StateDirectory, identity: &Identity, progress: Progress) -> Status {
    let spool = Spool::new(state.spool(), DEFAULT_LIMIT);
    Status {
        agent_id: identity.credentials.agent_id.to_string(),
        collector: identity.collector_urls.iter().map(ToString::to_string).collect(),
        generation: identity.credentials.generation,
        certificate_ends: identity.credentials.not_after,
        last_check_in: progress.last_check_in,
        exchanges_answered: progress.answered,
        acknowledged_sections: progress.acknowledged.len(),
        clock_ahead_ms: progress.server_time.as_ref().map(clock::ServerTime::skew),
        spool_bytes: spool.used(),
        upload_waiting: state.spool().join("upload.rcs").exists(),
        dropped_documents: progress.dropped_documents,
        superseded_inventories: progress.superseded,
        damaged_files: progress.damaged,
        running: matches!(state.lock(), Err(crate::state::StateError::Busy { .. })),
        held: progress.held,
        last_error: progress.last_error,
    }
}

fn print(out: &mut impl Write, status: &Status, now: Timestamp) -> std::io::Result<()> {
    writeln!(out, "enrolled as      {}", status.agent_id)?;
    writeln!(out, "collector        {}", status.collector.join(", "))?;
    writeln!(
        out,
        "agent            {}",
        if status.running { "running" } else { "not running; start it with: systemctl start rollcall-agent" }
    )?;
    writeln!(
        out,
        "certificate      generation {}, ends {} ({})",
        status.generation,
        status.certificate_ends,
        distance(now, status.certificate_ends)
    )?;
    match status.last_check_in {
        Some(at) => writeln!(out, "last check-in    {at} ({})", distance(now, at))?,
        None => writeln!(out, "last check-in    never")?,
    }
    writeln!(out, "acknowledged     {} sections, {} exchanges", status.acknowledged_sections, status.exchanges_answered)?;
    if let Some(ahead) = status.clock_ahead_ms.filter(|ahead| ahead.abs() >= 2_000) {
        writeln!(out, "clock            {} s {} the collector's", ahead.abs() / 1_000, if ahead > 0 { "ahead of" } else { "behind" })?;
    }
    let waiting = if status.upload_waiting { ", one document on its way" } else { "" };
    writeln!(
        out,
        "spool            {} bytes{waiting}; {} dropped, {} superseded, {} damaged",
        status.spool_bytes, status.dropped_documents, status.superseded_inventories, status.damaged_files
    )?;
    if let Some(held) = &status.held {
        writeln!(out, "held             since {}: {}", held.since, held.reason)?;
        writeln!(out, "next             {}", held.next_step.as_deref().unwrap_or("decide on the collector's agents page"))?;
    }
    if let Some(error) = &status.last_error {
        writeln!(out, "last error       {}: {}", error.at, error.message)?;
    }
    Ok(())
}

/// `in 3 d`, `5 min ago`.
fn distance(now: Timestamp, at: Timestamp) -> String {
    let millis = at.millis_since(now);
    let seconds = millis.unsigned_abs() / 1_000;
    let amount = match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    };
    if millis >= 0 { format!("in {amount}") } else { format!("{amount} ago") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_read_well() {
        let now = Timestamp::from_millis(1_000_000_000);
        let cases = [(5_000, "in 5 s"), (-300_000, "5 min ago"), (259_200_000, "in 3 d"), (-10_800_000, "3 h ago")];
        for (offset, expected) in cases {
            assert_eq!(distance(now, now.plus_millis(offset)), expected);
        }
    }
}
