//! `rollcall-agent inventory`

use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
};

use anyhow::{Context, bail};
use rollcall_shared::{
    Digest, Timestamp,
    wire::v1::{Exchange, SECTIONS},
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    client,
    collect::COLLECTORS,
    cycle::Watch,
    files::Root,
    glpi,
    output::{self, Format},
    settings::Settings,
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
    /// Only say which sections differ from what the collector last acknowledged. As glpi: a partial inventory of those.
    #[arg(long, conflicts_with = "list")]
    diff: bool,
    /// How to print; json, and with --diff table, unless said.
    #[arg(long, value_enum, conflicts_with = "list")]
    format: Option<Format>,
}

pub(super) fn run(settings: &Settings, options: &Options) -> anyhow::Result<u8> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    match print(&mut out, settings, options).and_then(|()| Ok(out.flush()?)) {
        // Whoever reads had enough.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) => Ok(0),
        other => other.map(|()| 0),
    }
}

fn print(out: &mut impl Write, settings: &Settings, options: &Options) -> anyhow::Result<()> {
    if options.list {
        for section in SECTIONS {
            writeln!(out, "{:<17} {}", section.name, section.purpose)?;
        }
        return Ok(());
    }
    if let Some(unknown) = options.section.iter().find(|name| !COLLECTORS.iter().any(|collector| collector.name == **name)) {
        bail!("there is no section {unknown:?}; see: rollcall-agent inventory --list");
    }
    let only = (!options.section.is_empty()).then_some(options.section.as_slice());
    let state = StateDirectory::new(settings.state_dir());
    // What a running agent has observed belongs to what would be sent; without one, one sample is all there is.
    let windows = settings.spool().reader().windows().unwrap_or_default();
    let progress = state.progress();
    let counter = progress.as_ref().map_or(1, |progress| progress.answered + 1);
    let root = Root::new("/");
    let mut watch = Watch::new(windows).with_extras(settings.also_collect()).with_time_limit(settings.limits().time);
    watch.learn_announced(&settings.spool().sender());
    watch.sample(&root, Timestamp::now());
    let now = Timestamp::now();
    let mut sections = watch.collect(&root, now, only);
    if options.diff {
        let acknowledged = progress.context("what was acknowledged is not known")?.acknowledged;
        let digests = sections.iter().map(|(name, section)| (name.clone(), section.digest)).collect();
        let found = differences(&acknowledged, &digests);
        let format = options.format.unwrap_or(Format::Table);
        if format != Format::Glpi {
            return Ok(print_differences(out, format, &found)?);
        }
        sections.retain(|name, _| found.get(name).is_some_and(|difference| *difference != Difference::None));
    }
    match options.format.unwrap_or(Format::Json) {
        Format::Table => output::sections(out, &sections, output::width())?,
        Format::Glpi => {
            // A part of what the machine has must say so, or the server would take the rest for gone.
            let partial = options.diff || only.is_some();
            output::print(out, Format::Glpi, &glpi::document(&glpi::Source::new(&sections, now, ahead_of_utc), partial))?;
        }
        format => {
            let document = client::document(sections, Exchange { counter, nonce: Uuid::new_v4() }, Timestamp::now());
            output::print(out, format, &serde_json::to_value(&document).context("writing the document")?)?;
        }
    }
    Ok(())
}

/// How far this machine's local time was ahead of UTC at `at`, seconds; 0 where the machine does not tell.
fn ahead_of_utc(at: Timestamp) -> i32 {
    let at = time::OffsetDateTime::from_unix_timestamp(at.as_millis().div_euclid(1_000));
    at.ok().and_then(|at| time::UtcOffset::local_offset_at(at).ok()).map_or(0, time::UtcOffset::whole_seconds)
}

/// How a section stands to what the collector acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Difference {
    /// It was never acknowledged.
    New,
    /// It is as acknowledged.
    None,
    /// It is not as acknowledged.
    Changed,
}

fn print_differences(out: &mut impl Write, format: Format, found: &BTreeMap<String, Difference>) -> io::Result<()> {
    if format != Format::Table {
        return output::print(out, format, found);
    }
    for (name, difference) in found {
        let words = match difference {
            Difference::New => "new: the collector has not acknowledged it",
            Difference::None => "as acknowledged",
            Difference::Changed => "changed since it was acknowledged",
        };
        writeln!(out, "{name:<17} {words}")?;
    }
    Ok(())
}

/// What is to be said of each collected section. Only digests are kept of what was acknowledged, so that a stolen state
/// directory tells little; they say that a section differs and not where.
fn differences(acknowledged: &BTreeMap<String, Digest>, collected: &BTreeMap<String, Digest>) -> BTreeMap<String, Difference> {
    let difference = |(name, digest): (&String, &Digest)| {
        let difference = match acknowledged.get(name) {
            None => Difference::New,
            Some(known) if known == digest => Difference::None,
            Some(_) => Difference::Changed,
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
        let mut out = Vec::new();
        print_differences(&mut out, Format::Json, &found).unwrap();
        print_differences(&mut out, Format::Yaml, &found).unwrap();
        let expected =
            "{\n  \"cpu\": \"none\",\n  \"disks\": \"new\",\n  \"memory\": \"changed\"\n}\ncpu: none\ndisks: new\nmemory: changed\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
