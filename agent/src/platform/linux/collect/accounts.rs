//! Local users and groups, who may administer, last logins, ssh host keys.
//!
//! `/etc/shadow` is never opened.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use base64::{Engine, engine::general_purpose};
use rollcall_shared::{
    Timestamp,
    wire::v1::{Accounts, Group, Login, SshHostKey, User},
};
use sha2::{Digest, Sha256};

use super::{Machine, Outcome};
use crate::{
    files::Root,
    parse::{
        accounts,
        login_records::{self, LASTLOG_RECORD, LoginRecord, WTMP_ALIGNMENT},
        polkit,
        text::fields,
    },
};

const PASSWD: &str = "/etc/passwd";
/// More is a directory service's export, not local users.
const MOST_USERS: usize = 10_000;
/// The end of `wtmp` that is read: some 2,700 records.
const MOST_WTMP: u64 = 1 << 20;
/// Reads a database with logins.
type ReadLogins = fn(&[u8]) -> Option<Vec<LoginRecord>>;
/// The databases that take the place of `lastlog` and `wtmp`: file, what it is called, how it is read.
const DATABASES: &[(&str, &str, ReadLogins)] =
    &[("/var/lib/lastlog/lastlog2.db", "lastlog2", login_records::lastlog2), ("/var/lib/wtmpdb/wtmp.db", "wtmpdb", login_records::wtmpdb)];
/// Some 60,000 logins.
const MOST_DATABASE: u64 = 4 << 20;
/// Groups whose members are root for the asking: administrators by custom, and those who may start containers.
const ADMINISTRATORS: &[&str] = &["sudo", "wheel", "admin", "docker", "lxd", "incus-admin"];

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Accounts> {
    let root = machine.root;
    let mut users = match root.read(PASSWD) {
        Ok(bytes) => accounts::users(&bytes),
        Err(error) => return Outcome::failed(PASSWD, &error),
    };
    let mut missing = Vec::new();
    if users.len() > MOST_USERS {
        users.truncate(MOST_USERS);
        missing.push(format!("only the first {MOST_USERS} users are listed"));
    }
    let mut groups = accounts::groups(&root.read("/etc/group").unwrap_or_default());
    let (granted, unreadable) = granted_by_sudoers(root);
    missing.extend(unreadable);
    let (of_polkit, unreadable) = granted_by_polkit(root);
    missing.extend(unreadable);
    for group in &mut groups {
        let is_granted = granted.contains(&format!("%{}", group.name)) || granted.contains(&format!("%#{}", group.id));
        let is_of_polkit =
            of_polkit.contains(&format!("unix-group:{}", group.name)) || of_polkit.contains(&format!("unix-group:{}", group.id));
        group.administrators = is_granted || is_of_polkit || ADMINISTRATORS.contains(&group.name.as_str());
    }
    let (logins, unreadable) = last_logins(root, &users);
    missing.extend(unreadable);
    for user in &mut users {
        user.administrator = administrator(user, &groups, &granted, &of_polkit);
        user.last_login = logins.get(&user.name).map(|(record, source)| login(record, source));
    }
    users.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    groups.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
    let found = Accounts { users, groups, ssh_host_keys: ssh_host_keys(root) };
    if missing.is_empty() { Outcome::Data(found) } else { Outcome::Partial(found, missing.join("; ")) }
}

fn administrator(user: &User, groups: &[Group], granted: &BTreeSet<String>, of_polkit: &BTreeSet<String>) -> Vec<String> {
    let belongs = |group: &&Group| group.id == user.group_id || group.members.contains(&user.name);
    let by_group = groups.iter().filter(|group| group.administrators).filter(belongs).map(|group| format!("group {}", group.name));
    let mut reasons: BTreeSet<String> = by_group.collect();
    if user.id == 0 {
        reasons.insert("uid 0".to_owned());
    }
    if granted.contains(&user.name) || granted.contains(&format!("#{}", user.id)) || granted.contains("ALL") {
        reasons.insert("sudoers".to_owned());
    }
    let is_of_polkit = of_polkit.contains(&format!("unix-user:{}", user.name)) || of_polkit.contains(&format!("unix-user:{}", user.id));
    if is_of_polkit && user.id != 0 {
        reasons.insert("polkit".to_owned());
    }
    reasons.into_iter().collect()
}

/// Whom polkit asks for their password where it wants an administrator's: the first rule that answers counts.
fn granted_by_polkit(root: &Root) -> (BTreeSet<String>, Option<String>) {
    /// Of files with one name, that of the first directory counts; across directories they are read by name.
    const RULES: &[&str] =
        &["/etc/polkit-1/rules.d", "/run/polkit-1/rules.d", "/usr/local/share/polkit-1/rules.d", "/usr/share/polkit-1/rules.d"];
    const OLD: &[&str] = &["/var/lib/polkit-1/localauthority.conf.d", "/etc/polkit-1/localauthority.conf.d"];
    let mut unreadable = None;
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for directory in RULES {
        match root.names(directory) {
            Ok(names) => names.into_iter().filter(|name| name.ends_with(".rules")).for_each(|name| {
                let path = format!("{directory}/{name}");
                files.entry(name).or_insert(path);
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => unreadable = Some(format!("{directory}: {error}; administrators may be missing")),
        }
    }
    let by_rules = files.values().find_map(|path| polkit::rules(&root.read(path).ok()?));
    let by_old = || {
        let mut files: Vec<(String, String)> = Vec::new();
        for directory in OLD {
            files.extend(root.names(directory).unwrap_or_default().into_iter().map(|name| (name.clone(), format!("{directory}/{name}"))));
        }
        files.sort_unstable();
        files.iter().rev().find_map(|(_, path)| polkit::local_authority(&root.read(path).ok()?))
    };
    (by_rules.or_else(by_old).unwrap_or_default().into_iter().collect(), unreadable)
}

/// Whom the sudoers files grant everything, and what could not be read of them.
fn granted_by_sudoers(root: &Root) -> (BTreeSet<String>, Option<String>) {
    const DIRECTORY: &str = "/etc/sudoers.d";
    let hostname = root.text("/etc/hostname").unwrap_or_default();
    let mut files = vec!["/etc/sudoers".to_owned()];
    // sudo passes over names with a dot and editors' leavings.
    let counts = |name: &String| !name.contains('.') && !name.ends_with('~');
    files.extend(root.names(DIRECTORY).unwrap_or_default().into_iter().filter(counts).map(|name| format!("{DIRECTORY}/{name}")));
    let (mut granted, mut unreadable) = (BTreeSet::new(), None);
    for file in files {
        match root.read(&file) {
            Ok(bytes) => granted.extend(accounts::sudoers(&bytes, &hostname)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => unreadable = Some(format!("{file}: {error}; administrators may be missing")),
        }
    }
    (granted, unreadable)
}

/// Everybody's last login with the file that tells, and what could not be read.
fn last_logins(root: &Root, users: &[User]) -> (BTreeMap<String, (LoginRecord, &'static str)>, Option<String>) {
    const LASTLOG: &str = "/var/log/lastlog";
    let mut latest: BTreeMap<String, (LoginRecord, &'static str)> = BTreeMap::new();
    let mut unreadable = None;
    let mut note = |record: LoginRecord, source| {
        if latest.get(&record.user).is_none_or(|(known, _)| known.at < record.at) {
            latest.insert(record.user.clone(), (record, source));
        }
    };
    for file in ["/var/log/wtmp.1", "/var/log/wtmp"] {
        // Records are of one of two sizes; a part must begin where one of either begins.
        let skipped = root.size(file).unwrap_or_default().saturating_sub(MOST_WTMP).next_multiple_of(WTMP_ALIGNMENT);
        match root.read_at(file, skipped, MOST_WTMP) {
            Ok(bytes) => login_records::wtmp(&bytes).into_iter().for_each(|record| note(record, "wtmp")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => unreadable = Some(format!("{file}: {error}; last logins may be missing")),
        }
    }
    for (file, source, read) in DATABASES {
        match root.read_up_to(file, MOST_DATABASE) {
            // What is not yet in the database itself stands in its log.
            Ok(_) if root.size(&format!("{file}-wal")).is_some_and(|size| size > 0) => {
                unreadable = Some(format!("{file} has changes in its log, which is not read; last logins may be missing"));
            }
            Ok(bytes) => match read(&bytes) {
                Some(logins) => logins.into_iter().for_each(|record| note(record, source)),
                None => unreadable = Some(format!("{file} is not laid out as expected; last logins may be missing")),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => unreadable = Some(format!("{file}: {error}; last logins may be missing")),
        }
    }
    // One record a user id, most of them holes; a user's is read where it is.
    let size = root.size(LASTLOG).unwrap_or_default();
    for user in users {
        let offset = u64::from(user.id) * LASTLOG_RECORD as u64;
        if offset >= size {
            continue;
        }
        if let Ok(bytes) = root.read_at(LASTLOG, offset, LASTLOG_RECORD as u64)
            && let Some(record) = login_records::lastlog(&bytes, &user.name)
        {
            note(record, "lastlog");
        }
    }
    (latest, unreadable)
}

fn login(record: &LoginRecord, source: &str) -> Login {
    Login {
        at: Timestamp::from_millis(record.at.saturating_mul(1_000)),
        terminal: record.terminal.clone(),
        from: record.from.clone(),
        source: source.to_owned(),
    }
}

fn ssh_host_keys(root: &Root) -> Vec<SshHostKey> {
    const DIRECTORY: &str = "/etc/ssh";
    let is_host_key = |name: &String| name.starts_with("ssh_host_") && name.ends_with("_key.pub");
    let names = root.names(DIRECTORY).unwrap_or_default();
    let key = |name: String| ssh_key(&root.read(&format!("{DIRECTORY}/{name}")).ok()?);
    let mut keys: Vec<SshHostKey> = names.into_iter().filter(is_host_key).filter_map(key).collect();
    keys.sort_by(|a, b| (&a.kind, &a.fingerprint).cmp(&(&b.kind, &b.fingerprint)));
    keys
}

/// A public key file: type, key in base64, comment. The key begins with its type, with its length before it.
fn ssh_key(file: &[u8]) -> Option<SshHostKey> {
    let mut words = fields(file);
    let kind = words.next()?;
    let key = general_purpose::STANDARD.decode(words.next()?).ok()?;
    let length = u32::try_from(kind.len()).ok()?;
    key.strip_prefix(&length.to_be_bytes()[..])?.strip_prefix(kind)?;
    let fingerprint = format!("SHA256:{}", general_purpose::STANDARD_NO_PAD.encode(Sha256::digest(&key)));
    Some(SshHostKey { kind: String::from_utf8(kind.to_vec()).ok()?, fingerprint })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};
    use crate::parse::login_records::tests::record;

    const PEOPLE: (&str, &str) = (
        PASSWD,
        "root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\nada:x:1000:1000:Ada:/home/ada:/bin/bash\n\
         bob:x:1001:1001::/home/bob:/bin/bash\neve:x:1002:998::/home/eve:/bin/bash\numa:x:1003:1003::/:/bin/bash\n",
    );
    const GROUPS: (&str, &str) = ("/etc/group", "sudo:x:27:ada\nops:x:200:bob\ndocker:x:998:\nusers:x:100:uma\n");

    #[test]
    fn administrators_are_marked_with_the_reason() {
        let files = [
            PEOPLE,
            GROUPS,
            ("/etc/sudoers", "%sudo ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n"),
            ("/etc/sudoers.d/ops", "%ops ALL=(ALL) NOPASSWD: ALL\nada ALL=(ALL) ALL\n"),
            ("/etc/sudoers.d/old.bak", "uma ALL=(ALL) ALL\n"),
            ("/usr/share/polkit-1/rules.d/40-debian-sudo.rules", "polkit.addAdminRule(function(a, s) { return [\"unix-group:sudo\"]; });"),
            (
                "/etc/polkit-1/rules.d/10-own.rules",
                "polkit.addAdminRule(function(a, s) { return [\"unix-user:bob\", \"unix-user:0\", \"unix-group:100\"]; });",
            ),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        let reasons: Vec<_> = found.users.iter().map(|user| (user.name.as_str(), user.administrator.join(", "))).collect();
        let expected = [
            ("ada", "group sudo, sudoers"),
            ("bob", "group ops, polkit"),
            ("eve", "group docker"),
            ("root", "uid 0"),
            ("toor", "uid 0"),
            ("uma", "group users"),
        ];
        assert_eq!(reasons, expected.map(|(name, why)| (name, why.to_owned())));
        let administrators: Vec<_> = found.groups.iter().filter(|group| group.administrators).map(|group| group.name.as_str()).collect();
        assert_eq!(administrators, ["docker", "ops", "sudo", "users"]);
    }

    #[test]
    fn the_last_login_is_the_latest_of_the_right_user() {
        let directory = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: &[u8]| {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        write("etc/passwd", PEOPLE.1.as_bytes());
        // More than is read at once, so that a part of the file is skipped.
        let mut wtmp = record(false, 7, "bob", 1_700_000_000, "pts/9", "old").repeat(4_000);
        wtmp.extend(record(false, 7, "ada", 1_750_000_000, "pts/0", "192.0.2.7"));
        wtmp.extend(record(false, 2, "reboot", 1_750_000_500, "~", ""));
        write("var/log/wtmp", &wtmp);
        let mut lastlog = vec![0; 1_002 * LASTLOG_RECORD];
        lastlog[1_001 * LASTLOG_RECORD..][..4].copy_from_slice(&1_750_000_900_u32.to_ne_bytes());
        lastlog[1_000 * LASTLOG_RECORD..][..4].copy_from_slice(&1_600_000_000_u32.to_ne_bytes());
        write("var/log/lastlog", &lastlog);
        write("var/lib/wtmpdb/wtmp.db", include_bytes!("../../../../tests/fixtures/logins/wtmp.db"));
        let root = Root::new(directory.path());
        let users = accounts::users(PEOPLE.1.as_bytes());
        let (found, unreadable) = last_logins(&root, &users);
        assert_eq!(unreadable, None);
        let found: Vec<_> = found.iter().map(|(name, (record, source))| (name.as_str(), record.at, *source)).collect();
        assert_eq!(found, [("ada", 1_750_000_500, "wtmpdb"), ("bob", 1_750_000_900, "lastlog")]);
        write("var/lib/wtmpdb/wtmp.db-wal", b"x");
        let (found, unreadable) = last_logins(&root, &users);
        assert_eq!((found["ada"].1, unreadable.is_some()), ("wtmp", true));
    }

    #[test]
    fn fingerprints_are_those_that_ssh_prints() {
        // Made with ssh-keygen for this test; the fingerprint is from `ssh-keygen -lf`.
        let file = include_bytes!("../../../../tests/fixtures/ssh/ssh_host_ed25519_key.pub");
        let expected = include_str!("../../../../tests/fixtures/ssh/fingerprint").trim();
        let found = ssh_key(file).unwrap();
        assert_eq!((found.kind.as_str(), found.fingerprint.as_str()), ("ssh-ed25519", expected));
        for bad in ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA"] {
            assert_eq!(ssh_key(bad.as_bytes()), None, "{bad}");
        }
    }
}
