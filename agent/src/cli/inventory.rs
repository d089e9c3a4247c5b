//! `rollcall-agent inventory`

use std::{
    collections::BTreeMap,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context, bail};
use rollcall_shared::{
    Digest, Timestamp,
    wire::v1::{Exchange, SECTIONS},
};
use uuid::Uuid;

use crate::{
    client,
    collect::COLLECTORS,
    cycle::Watch,
    files::Root,
    spool::{DEFAULT_LIMIT, Spool},
    state::StateDirectory,
};

/// What can be said on the command line.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Only this section; may be repeated.
    #[arg(long, value_name = "NAME")]
    section: Vec<String>,
    /// List the sections and why each is sent.
    #[arg(long, conflicts_with = "section")]
    list: bool,
    /// Only say which sections differ from what the collector last acknowledged.
    #[arg(long, conflicts_with = "list")]
    diff: bool,
}

pub(super) fn run(state_dir: &Path, options: &Options) -> anyhow::Result<u8> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    if options.list {
        for section in SECTIONS {
            writeln!(out, "{:<17} {}", section.name, section.purpose)?;
        }
        out.flush()?;
        return Ok(0);
    }
    if let Some(unknown) = options.section.iter().find(|name| !COLLECTORS.iter().any(|collector| collector.name == **name)) {
        bail!("there is no section {unknown:?}; see: rollcall-agent inventory --list");
    }
    let only = (!options.section.is_empty()).then_some(options.section.as_slice());
    let state = StateDirectory::new(state_dir);
    // What a running agent has observed belongs to what would be sent; without one, one sample is all there is.
    let windows = Spool::new(state.spool(), DEFAULT_LIMIT).windows().unwrap_or_default();
    let progress = state.progress();
    let counter = progress.as_ref().map_or(1, |progress| progress.answered + 1);
    let root = Root::new("/");
    let mut watch = Watch::new(windows);
    watch.sample(&root, Timestamp::now());
    let sections = watch.collect(&root, Timestamp::now(), only);
    if options.diff {
        let acknowledged = progress.context("what was acknowledged is not known")?.acknowledged;
        let digests = sections.iter().map(|(name, section)| (name.clone(), section.digest)).collect();
        for (name, difference) in differences(&acknowledged, &digests) {
            writeln!(out, "{name:<17} {difference}")?;
        }
        out.flush()?;
        return Ok(0);
    }
    let (document, _) = client::document(sections, Exchange { counter, nonce: Uuid::new_v4() }, Timestamp::now())?;
    let value = serde_json::to_value(&document).context("writing the document")?;
    match serde_json::to_writer_pretty(&mut out, &value)
        .map_err(std::io::Error::from)
        .and_then(|()| writeln!(out))
        .and_then(|()| out.flush())
    {
        // Whoever reads had enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        other => Ok(other.map(|()| 0)?),
    }
}

/// What is to be said of each collected section. Only digests are kept of what was acknowledged, so that a stolen state
/// directory tells little; they say that a section differs and not where.
fn differences(acknowledged: &BTreeMap<String, Digest>, collected: &BTreeMap<String, Digest>) -> Vec<(String, &'static str)> {
    let difference = |(name, digest): (&String, &Digest)| {
        let difference = match acknowledged.get(name) {
            None => "new: the collector has not acknowledged it",
            Some(known) if known == digest => "as acknowledged",
            Some(_) => "changed since it was acknowledged",
        };
        (name.clone(), difference)
    };
    collected.iter().map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_compared_by_digest() {
        let digests = |entries: &[(&str, &str)]| -> BTreeMap<String, Digest> {
            entries.iter().map(|(name, data)| ((*name).to_owned(), Digest::of(data.as_bytes()))).collect()
        };
        let found = differences(
            &digests(&[("cpu", "1"), ("memory", "1"), ("gone", "1")]),
            &digests(&[("cpu", "1"), ("memory", "2"), ("disks", "1")]),
        );
        let found: Vec<_> = found.iter().map(|(name, difference)| (name.as_str(), difference.split([' ', ':']).next().unwrap())).collect();
        assert_eq!(found, [("cpu", "as"), ("disks", "new"), ("memory", "changed")]);
    }
}
