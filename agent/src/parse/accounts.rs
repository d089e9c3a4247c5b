//! `/etc/passwd`, `/etc/group` and `sudoers`.

use rollcall_shared::wire::v1::{Group, User};

use super::text::{clean, lines, number};

/// `/etc/passwd`, without the password field, in the order of the file. Lines that include a directory service are passed over.
pub fn users(bytes: &[u8]) -> Vec<User> {
    let user = |line: &[u8]| {
        let mut parts = line.split(|&byte| byte == b':');
        let name = name(parts.next()?)?;
        let id = number(parts.nth(1)?)?;
        let group_id = number(parts.next()?)?;
        let full_name = parts.next().and_then(|gecos| gecos.split(|&byte| byte == b',').next()).and_then(clean);
        let (home, shell) = (parts.next().and_then(clean), parts.next().and_then(clean));
        Some(User { name, id, group_id, full_name, home, shell, ..User::default() })
    };
    lines(bytes).filter_map(user).collect()
}

/// `/etc/group`, without the password field, in the order of the file.
pub fn groups(bytes: &[u8]) -> Vec<Group> {
    let group = |line: &[u8]| {
        let mut parts = line.split(|&byte| byte == b':');
        let name = name(parts.next()?)?;
        let id = number(parts.nth(1)?)?;
        let mut members: Vec<String> = parts.next().unwrap_or_default().split(|&byte| byte == b',').filter_map(clean).collect();
        members.sort_unstable();
        Some(Group { name, id, members, administrators: false })
    };
    lines(bytes).filter_map(group).collect()
}

fn name(bytes: &[u8]) -> Option<String> {
    clean(bytes).filter(|name| !name.starts_with(['#', '+', '-']))
}

/// Whom a sudoers file lets run every command as root: `name`, `%group`, `#id` or `%#id`, as written.
///
/// Conservative: only a rule for all hosts or `hostname`, for root or everybody, with `ALL` among its commands counts.
/// Aliases for users are resolved within the file; aliases for hosts, runas and commands are not.
pub fn sudoers(bytes: &[u8], hostname: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).replace("\\\n", " ");
    let mut aliases: Vec<(String, Vec<String>)> = Vec::new();
    let mut granted = Vec::new();
    for line in text.lines() {
        let line = without_comment(line).trim();
        let word = line.split_whitespace().next().unwrap_or_default();
        if word == "User_Alias" {
            for definition in line[word.len()..].split(':') {
                if let Some((name, members)) = definition.split_once('=') {
                    aliases.push((name.trim().to_owned(), list(members)));
                }
            }
        } else if !word.is_empty() && !word.starts_with(['@', '+']) && !word.starts_with("Defaults") && !word.ends_with("_Alias") {
            granted.extend(rule(line, hostname));
        }
    }
    let resolve = |who: String| match aliases.iter().find(|(name, _)| *name == who) {
        Some((_, members)) => members.clone(),
        None => vec![who],
    };
    let mut granted: Vec<String> = granted.into_iter().flat_map(resolve).filter(|who| !who.starts_with(['!', '+'])).collect();
    granted.sort_unstable();
    granted.dedup();
    granted
}

/// `#` begins a comment unless a user's or group's number follows.
fn without_comment(line: &str) -> &str {
    let is_comment = |&(at, _): &(usize, &str)| !line[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    line.match_indices('#').find(is_comment).map_or(line, |(at, _)| &line[..at])
}

/// The users of a rule `USERS HOSTS = (RUNAS) TAGS: COMMANDS` that grants everything.
fn rule(line: &str, hostname: &str) -> Vec<String> {
    let grants = || {
        let (left, commands) = line.split_once('=')?;
        // "a, b ALL" and "a ALL, c": blanks after a comma do not end a list.
        let left = left.replace(", ", ",").replace(" ,", ",");
        let (users, hosts) = left.trim().rsplit_once(char::is_whitespace)?;
        list(hosts).iter().any(|host| host == "ALL" || host == hostname).then_some(())?;
        let mut commands = commands.trim();
        if let Some((runas, rest)) = commands.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            let users = list(runas.split(':').next().unwrap_or_default());
            users.iter().any(|user| matches!(user.as_str(), "ALL" | "root" | "#0")).then_some(())?;
            commands = rest;
        }
        let is_all = |command: String| command.rsplit(':').next().is_some_and(|command| command.trim() == "ALL");
        list(commands).into_iter().any(is_all).then(|| list(users))
    };
    grants().unwrap_or_default()
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|entry| entry.trim().trim_matches('"').to_owned()).filter(|entry| !entry.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_come_without_passwords() {
        let found = users(
            b"root:x:0:0:root:/root:/bin/bash\n+::::::\n# c\nada:$6$hash:1000:1000:Ada Byron,Room 1,,:/home/ada:/bin/zsh\nbad:x:y:0\n",
        );
        assert_eq!(found.iter().map(|user| (user.name.as_str(), user.id)).collect::<Vec<_>>(), [("root", 0), ("ada", 1_000)]);
        assert_eq!((found[1].full_name.as_deref(), found[1].shell.as_deref()), (Some("Ada Byron"), Some("/bin/zsh")));
        assert!(!serde_json::to_string(&found).unwrap().contains("hash"));
    }

    #[test]
    fn groups_have_sorted_members() {
        let found = groups(b"sudo:x:27:zoe,ada\nusers:x:100:\nbroken\n");
        assert_eq!(found.iter().map(|group| (group.name.as_str(), group.members.len())).collect::<Vec<_>>(), [("sudo", 2), ("users", 0)]);
        assert_eq!(found[0].members, ["ada", "zoe"]);
    }

    #[test]
    fn sudoers_counts_only_rules_for_everything() {
        let cases: &[(&str, &[&str])] = &[
            ("root ALL=(ALL:ALL) ALL", &["root"]),
            ("%sudo\tALL=(ALL:ALL) ALL # admins", &["%sudo"]),
            ("ada ALL = NOPASSWD: ALL", &["ada"]),
            ("ada, bob ALL=(root) NOPASSWD:SETENV: ALL", &["ada", "bob"]),
            ("#1000 ALL=ALL", &["#1000"]),
            ("ada web1=ALL", &["ada"]),
            ("ada web2=ALL", &[]),
            ("ada ALL=(www-data) ALL", &[]),
            ("ada ALL=/usr/bin/apt, /bin/systemctl", &[]),
            ("ada ALL=/usr/bin/ALL", &[]),
            ("# ada ALL=ALL", &[]),
            ("Defaults:ada ALL=ALL", &[]),
            ("User_Alias OPS = ada, bob : DBA = eve\nOPS ALL=(ALL) \\\n ALL", &["ada", "bob"]),
            ("Cmnd_Alias ALLE = ALL", &[]),
            ("@includedir /etc/sudoers.d", &[]),
            ("+admins ALL=ALL", &[]),
            ("=ALL", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(sudoers(text.as_bytes(), "web1"), *expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>, text in "[#%A-Za-z=,:()! \\\\\n]{0,64}") {
            users(&bytes);
            groups(&bytes);
            sudoers(&bytes, "a");
            sudoers(text.as_bytes(), "a");
        }
    }
}
