//! `rollcall-agent status`

use std::io::Write;

use rollcall_shared::Timestamp;
use serde::Serialize;

use super::{FAILURE, WAITING};
use crate::{
    clock::{self, LocalTime},
    settings::Settings,
    spool::{Role, Snapshot},
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
    spool_limit: u64,
    upload_waiting: bool,
    last_inventory: Option<Timestamp>,
    dropped_documents: u64,
    superseded_inventories: u64,
    damaged_files: u64,
    /// `null` in JSON where whoever asks may not know.
    reading: Option<bool>,
    running: Option<bool>,
    held: Option<Held>,
    last_error: Option<LastError>,
}

pub(super) fn run(settings: &Settings, options: &Options) -> anyhow::Result<u8> {
    let state = StateDirectory::new(settings.state_dir());
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
    let status = read(settings, &state, &identity, state.progress()?);
    if options.output == "json" {
        serde_json::to_writer_pretty(&mut out, &status)?;
        writeln!(out)?;
    } else {
        print(&mut out, &status, clock::best(state.progress()?.server_time.as_ref(), &LocalTime::now()))?;
    }
    Ok(if status.held.is_some() { WAITING } else { 0 })
}

fn read(settings: &Settings, state: &StateDirectory, identity: &Identity, progress: Progress) -> Status {
    let spool = settings.spool();
    let snapshot = spool.reader().inventory().ok().flatten();
    let counts = snapshot.as_ref().map(Snapshot::counts).unwrap_or_default();
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
        spool_limit: spool.limit(),
        upload_waiting: spool.sender().has_upload(),
        last_inventory: snapshot.as_ref().map(Snapshot::collected_at),
        dropped_documents: progress.dropped_documents + counts.dropped,
        superseded_inventories: counts.superseded,
        damaged_files: progress.damaged + counts.damaged,
        reading: spool.is_busy(Role::Reader),
        running: state.is_busy(),
        held: progress.held,
        last_error: progress.last_error,
    }
}

fn print(out: &mut impl Write, status: &Status, now: Timestamp) -> std::io::Result<()> {
    writeln!(out, "enrolled as      {}", status.agent_id)?;
    writeln!(out, "collector        {}", status.collector.join(", "))?;
    let agent = match (status.running, status.reading) {
        (Some(true), Some(true)) => "running",
        (Some(true), Some(false)) => "sending, but not reading the machine; start that with: systemctl start rollcall-agent-reader",
        (Some(false), Some(true)) => "reading the machine, but not sending; start that with: systemctl start rollcall-agent-sender",
        (Some(true), None) => "sending; whether it reads the machine too, root is told: sudo rollcall-agent status",
        _ => "not running; start it with: systemctl start rollcall-agent.target",
    };
    writeln!(out, "agent            {agent}")?;
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
    match status.last_inventory {
        Some(at) => writeln!(out, "last inventory   {at} ({})", distance(now, at))?,
        None => writeln!(out, "last inventory   none in the spool")?,
    }
    writeln!(out, "acknowledged     {} sections, {} exchanges", status.acknowledged_sections, status.exchanges_answered)?;
    if let Some(ahead) = status.clock_ahead_ms.filter(|ahead| ahead.abs() >= 2_000) {
        writeln!(out, "clock            {} s {} the collector's", ahead.abs() / 1_000, if ahead > 0 { "ahead of" } else { "behind" })?;
    }
    let waiting = if status.upload_waiting { ", one document on its way" } else { "" };
    writeln!(
        out,
        "spool            {} of {} bytes{waiting}; {} dropped, {} superseded, {} damaged",
        status.spool_bytes, status.spool_limit, status.dropped_documents, status.superseded_inventories, status.damaged_files
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
