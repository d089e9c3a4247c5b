//! `wtmp` and `lastlog`, records of fixed size that the C library writes, and the databases that take their place: `lastlog2` and
//! `wtmpdb`, which last beyond 2038.

use std::collections::BTreeMap;

use super::{
    sqlite::{Database, Value},
    text::clean,
};

/// Who logged in, when, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRecord {
    /// Login name.
    pub user: String,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub at: i64,
    /// Terminal.
    pub terminal: Option<String>,
    /// Host name or address.
    pub from: Option<String>,
}

/// Where the fields of a `utmp` record are, which depends on the architecture.
#[derive(Clone, Copy)]
struct Layout {
    size: usize,
    seconds: usize,
    /// Bytes of the seconds: 4 or 8.
    width: usize,
}

/// x86, POWER, s390, 32-bit Arm: sizes were kept from 32 bits.
const NARROW: Layout = Layout { size: 384, seconds: 340, width: 4 };
/// 64-bit Arm, RISC-V: a session of 8 bytes, and a time of 8.
const WIDE: Layout = Layout { size: 400, seconds: 344, width: 8 };

/// A part of `wtmp` may begin at any multiple of this: records of either size fit.
pub const WTMP_ALIGNMENT: u64 = 9_600;
/// Size of a record of `lastlog`, which is indexed by user id.
pub const LASTLOG_RECORD: usize = 292;

/// The logins in a `wtmp` file, oldest first. Starts, shutdowns and logouts are in it too and are passed over: the user of a
/// record says who it was only if its type says that a user's process began.
pub fn wtmp(bytes: &[u8]) -> Vec<LoginRecord> {
    /// `USER_PROCESS`
    const USER_PROCESS: u16 = 7;
    let layout = if fitness(bytes, WIDE) > fitness(bytes, NARROW) { WIDE } else { NARROW };
    let login = |record: &[u8]| {
        if kind(record)? != USER_PROCESS {
            return None;
        }
        let at = seconds(record, layout)?;
        Some(LoginRecord { user: text(record, 44, 32)?, at, terminal: text(record, 8, 32), from: text(record, 76, 256) })
    };
    bytes.chunks_exact(layout.size).filter_map(login).collect()
}

/// A record of `lastlog`: when the user whose id is its index logged in last. `None` for one who never did.
pub fn lastlog(record: &[u8], user: &str) -> Option<LoginRecord> {
    let at = i64::from(u32::from_ne_bytes(record.get(..4)?.try_into().ok()?));
    (at > 0 && record.len() == LASTLOG_RECORD).then(|| LoginRecord {
        user: user.to_owned(),
        at,
        terminal: text(record, 4, 32),
        from: text(record, 36, 256),
    })
}

/// A row with a login is short; whatever is longer is none.
const LONGEST_ROW: usize = 16 << 10;

/// The database of `lastlog2`: each user's last login. `None` if it is not that database, or damaged.
pub fn lastlog2(bytes: &[u8]) -> Option<Vec<LoginRecord>> {
    let database = Database::open(bytes, LONGEST_ROW)?;
    let table = database.table("Lastlog2")?;
    let columns = Columns::of(&["Name", "Time", "TTY", "RemoteHost"], &table)?;
    let mut found = Vec::new();
    database.rows(&table, |_, row| found.extend(columns.login(row, 1)))?;
    Some(found)
}

/// The database of `wtmpdb`: each user's last login, sorted by name. Starts and run levels are in it too and are passed over.
/// `None` if it is not that database, or damaged.
pub fn wtmpdb(bytes: &[u8]) -> Option<Vec<LoginRecord>> {
    const USER_PROCESS: i64 = 3;
    const MICROSECONDS: i64 = 1_000_000;
    let database = Database::open(bytes, LONGEST_ROW)?;
    let table = database.table("wtmp")?;
    let columns = Columns::of(&["User", "Login", "TTY", "RemoteHost"], &table)?;
    let kind = table.column("Type")?;
    let mut latest: BTreeMap<String, LoginRecord> = BTreeMap::new();
    database.rows(&table, |_, row| {
        if row.get(kind).copied().and_then(Value::integer) == Some(USER_PROCESS)
            && let Some(login) = columns.login(row, MICROSECONDS)
            && latest.get(&login.user).is_none_or(|known| known.at <= login.at)
        {
            latest.insert(login.user.clone(), login);
        }
    })?;
    Some(latest.into_values().collect())
}

/// Where a table has user, time, terminal and remote host.
struct Columns([usize; 4]);

impl Columns {
    fn of(names: &[&str; 4], table: &super::sqlite::Table) -> Option<Self> {
        let [user, at, terminal, from] = names.map(|name| table.column(name));
        Some(Self([user?, at?, terminal?, from?]))
    }

    fn login(&self, row: &[Value<'_>], per_second: i64) -> Option<LoginRecord> {
        let text = |at: usize| clean(row.get(at)?.bytes()?);
        let [user, at, terminal, from] = self.0;
        let at = row.get(at)?.integer()? / per_second;
        (at > 0).then_some(())?;
        Some(LoginRecord { user: text(user)?, at, terminal: text(terminal), from: text(from) })
    }
}

/// How many of the first records look like records in this layout.
fn fitness(bytes: &[u8], layout: Layout) -> usize {
    const SAMPLE: usize = 64;
    let is_plausible =
        |record: &&[u8]| matches!(kind(record), Some(1..=9)) && seconds(record, layout).is_some_and(|at| (1..1 << 33).contains(&at));
    bytes.chunks_exact(layout.size).take(SAMPLE).filter(is_plausible).count()
}

fn kind(record: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(record.get(..2)?.try_into().ok()?))
}

fn seconds(record: &[u8], layout: Layout) -> Option<i64> {
    let bytes = record.get(layout.seconds..layout.seconds + layout.width)?;
    match layout.width {
        8 => bytes.try_into().ok().map(i64::from_ne_bytes),
        // Unsigned: the C library's 32 bits then last until 2106.
        _ => bytes.try_into().ok().map(|bytes| i64::from(u32::from_ne_bytes(bytes))),
    }
}

/// Text in a field of fixed size, which ends at the first NUL.
fn text(record: &[u8], at: usize, size: usize) -> Option<String> {
    clean(record.get(at..at + size)?.split(|&byte| byte == 0).next()?)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A record as `login` writes it.
    pub(crate) fn record(wide: bool, kind: u16, user: &str, at: i64, line: &str, host: &str) -> Vec<u8> {
        let layout = if wide { WIDE } else { NARROW };
        let mut record = vec![0; layout.size];
        let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &kind.to_ne_bytes());
        put(8, line.as_bytes());
        put(44, user.as_bytes());
        put(76, host.as_bytes());
        put(layout.seconds, &at.to_ne_bytes()[..layout.width]);
        record
    }

    #[test]
    fn logins_are_told_from_starts_and_logouts_in_both_layouts() {
        for wide in [false, true] {
            let file = [
                record(wide, 2, "reboot", 1_750_000_000, "~", "6.1.0-37-amd64"),
                record(wide, 6, "LOGIN", 1_750_000_010, "tty1", ""),
                record(wide, 7, "ada", 1_750_000_100, "pts/0", "192.0.2.7"),
                record(wide, 8, "", 1_750_000_200, "pts/0", ""),
                record(wide, 7, "a-name-of-exactly-32-characters.", 1_750_000_300, "tty1", ""),
            ]
            .concat();
            let found = wtmp(&file);
            assert_eq!(found.len(), 2, "wide: {wide}");
            let ada = LoginRecord { user: "ada".into(), at: 1_750_000_100, terminal: Some("pts/0".into()), from: Some("192.0.2.7".into()) };
            assert_eq!(found[0], ada);
            assert_eq!((found[1].user.as_str(), found[1].from.as_deref()), ("a-name-of-exactly-32-characters.", None));
            assert_eq!(wtmp(&file[..file.len() - 1]).len(), 1, "half a record is none");
        }
    }

    #[test]
    fn lastlog_tells_the_user_of_its_index() {
        let mut record = vec![0; LASTLOG_RECORD];
        assert_eq!(lastlog(&record, "ada"), None);
        record[..4].copy_from_slice(&1_750_000_000_u32.to_ne_bytes());
        record[4..9].copy_from_slice(b"pts/1");
        let found = lastlog(&record, "ada").unwrap();
        assert_eq!((found.at, found.terminal.as_deref(), found.from), (1_750_000_000, Some("pts/1"), None));
        assert_eq!(lastlog(&record[..291], "ada"), None);
    }

    /// Written by Debian 12's login and pam_lastlog when `ada` logged in and out on a terminal and then from 192.0.2.7; `last -F` read
    /// the same from it.
    const WTMP: &[u8] = include_bytes!("../../tests/fixtures/logins/wtmp");
    const LASTLOG_OF_ADA: &[u8] = include_bytes!("../../tests/fixtures/logins/lastlog-record");
    /// Made with sqlite3 and the table definitions of lastlog2 and wtmpdb.
    const LASTLOG2: &[u8] = include_bytes!("../../tests/fixtures/logins/lastlog2.db");
    const WTMPDB: &[u8] = include_bytes!("../../tests/fixtures/logins/wtmp.db");

    #[test]
    fn a_real_file_names_the_user_and_not_the_file() {
        let login = |at: i64, from: Option<&str>| LoginRecord {
            user: "ada".into(),
            at,
            terminal: Some("pts/0".into()),
            from: from.map(str::to_owned),
        };
        assert_eq!(wtmp(WTMP), [login(1_795_387_358, None), login(1_795_387_359, Some("192.0.2.7"))]);
        assert_eq!(lastlog(LASTLOG_OF_ADA, "ada"), Some(login(1_795_387_359, Some("192.0.2.7"))));
    }

    #[test]
    fn databases_tell_the_last_login_of_each() {
        let login = |user: &str, at: i64, terminal: &str, from: Option<&str>| LoginRecord {
            user: user.into(),
            at,
            terminal: Some(terminal.into()),
            from: from.map(str::to_owned),
        };
        let expected = [login("ada", 1_750_000_000, "pts/0", Some("192.0.2.7")), login("bob", 1_750_000_900, "tty1", None)];
        assert_eq!(lastlog2(LASTLOG2).unwrap(), expected);
        assert_eq!(wtmpdb(WTMPDB).unwrap(), [login("ada", 1_750_000_500, "pts/1", Some("192.0.2.8"))]);
        assert_eq!((lastlog2(WTMPDB), wtmpdb(LASTLOG2), wtmpdb(b"")), (None, None, None));
        for cut in (0..WTMPDB.len()).step_by(61) {
            assert_eq!(wtmpdb(&WTMPDB[..cut]), None, "cut at {cut}");
        }
    }

    proptest::proptest! {
        #[test]
        fn damaged_databases_do_not_panic(at in 0..WTMPDB.len(), bytes: [u8; 4]) {
            for file in [WTMPDB, LASTLOG2] {
                let mut damaged = file.to_vec();
                for (offset, byte) in bytes.iter().enumerate() {
                    let length = damaged.len();
                    damaged[(at + offset) % length] = *byte;
                }
                wtmpdb(&damaged);
                lastlog2(&damaged);
            }
        }

        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..2_000)) {
            wtmp(&bytes);
            lastlog(&bytes, "a");
        }
    }
}
