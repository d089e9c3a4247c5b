//! Tables of cron and anacron.

use super::text::{clean, lines};

/// One line of a table.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// When, as written: five fields, `@daily`, anacron's `7 days`.
    pub schedule: String,
    /// The user, where the table names one.
    pub user: Option<String>,
    /// anacron's name for it.
    pub identifier: Option<String>,
    /// The command. It may hold secrets.
    pub command: String,
}

const MOST_JOBS: usize = 1_000;

/// A table of cron; the system's own (`/etc/crontab`, `/etc/cron.d`) name a user in each line.
pub fn crontab(bytes: &[u8], names_user: bool) -> Vec<Job> {
    let job = |line: &[u8]| {
        let text = clean_line(line)?;
        let first = text.split_whitespace().next()?;
        // Five fields of numbers, names and `*`, or one word that stands for them; all else assigns a variable.
        let fields = if first.starts_with('@') { 1 } else { 5 };
        let (schedule, rest) = split_fields(&text, fields)?;
        let is_field = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*/,-~@?#".contains(&byte));
        if !schedule.iter().all(|word| is_field(word)) {
            return None;
        }
        let (user, command) = if names_user {
            let (user, command) = split_fields(rest, 1)?;
            (Some(user[0].to_owned()), command)
        } else {
            (None, rest)
        };
        // What stands behind an unescaped `%` is the command's input.
        let end = command.char_indices().find(|(at, c)| *c == '%' && !command[..*at].ends_with('\\')).map_or(command.len(), |(at, _)| at);
        Some(Job { schedule: schedule.join(" "), user, identifier: None, command: command[..end].trim().to_owned() })
    };
    lines(bytes).filter_map(job).filter(|job| !job.command.is_empty()).take(MOST_JOBS).collect()
}

/// `/etc/anacrontab`: period in days, delay in minutes, identifier, command.
pub fn anacrontab(bytes: &[u8]) -> Vec<Job> {
    let job = |line: &[u8]| {
        let text = clean_line(line)?;
        let (fields, command) = split_fields(&text, 3)?;
        let period = fields[0];
        let schedule = match period.strip_prefix('@') {
            Some(_) => period.to_owned(),
            None => format!("{} days", period.parse::<u32>().ok()?),
        };
        Some(Job { schedule, user: None, identifier: Some(fields[2].to_owned()), command: command.to_owned() })
    };
    lines(bytes).filter_map(job).filter(|job| !job.command.is_empty()).take(MOST_JOBS).collect()
}

fn clean_line(line: &[u8]) -> Option<String> {
    // Tabs separate fields here; they are not to be lost as control characters are.
    let spaced: Vec<u8> = line.iter().map(|byte| if *byte == b'\t' { b' ' } else { *byte }).collect();
    clean(&spaced).filter(|text| !text.starts_with('#'))
}

/// The first `number` words, and what follows them.
fn split_fields(text: &str, number: usize) -> Option<(Vec<&str>, &str)> {
    let mut rest = text.trim_start();
    let mut fields = Vec::with_capacity(number);
    for _ in 0..number {
        let end = rest.find(char::is_whitespace)?;
        fields.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    Some((fields, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let shown = |jobs: Vec<Job>| {
            let one = |job: Job| {
                format!("{} | {} | {} | {}", job.schedule, job.user.unwrap_or_default(), job.identifier.unwrap_or_default(), job.command)
            };
            jobs.into_iter().map(one).collect::<Vec<_>>()
        };
        let system = b"# c\nSHELL=/bin/sh\nMAILTO = root\n17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n@reboot root /x\n5-55/10 0 * * mon,fri www a % input\nA B C D E f g\nbroken\n";
        let expected = [
            "17 * * * * | root |  | cd / && run-parts --report /etc/cron.hourly",
            "@reboot | root |  | /x",
            "5-55/10 0 * * mon,fri | www |  | a",
        ];
        assert_eq!(shown(crontab(system, true))[..3], expected);
        assert_eq!(shown(crontab(b"0 3 * * * date +\\%F; b\n", false)), ["0 3 * * * |  |  | date +\\%F; b"]);
        let anacron = b"SHELL=/bin/sh\n1\t5\tcron.daily\trun-parts /etc/cron.daily\n@monthly 15 cron.monthly run-parts /m\n";
        assert_eq!(
            shown(anacrontab(anacron)),
            ["1 days |  | cron.daily | run-parts /etc/cron.daily", "@monthly |  | cron.monthly | run-parts /m"]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text in "[*0-9a-z@%\\\\ \\t]{0,60}") {
            crontab(&bytes, true);
            crontab(text.as_bytes(), false);
            anacrontab(&bytes);
            anacrontab(text.as_bytes());
        }
    }
}
