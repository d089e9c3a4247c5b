//! A throwaway PostgreSQL server for tests: one for each test process, gone with it, with fsync on as in real life.
//!
//! `ROLLCALL_TEST_POSTGRES_URL` names a server to use instead (`postgres://USER@HOST/postgres`, may create databases).

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    str::FromStr,
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

/// The server's address, or why there is none. One for all tests of the process.
static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();

struct Server {
    url: String,
    /// The server ends when this is closed, however the process ends.
    _leash: Option<ChildStdin>,
}

/// The address of a new, empty database.
///
/// # Errors
/// Says what is missing. It never skips: a test that did not run proves nothing.
pub async fn new_database() -> Result<String> {
    let server = SERVER.get_or_init(|| server().map_err(|error| format!("{error:#}")));
    let url = match server {
        Ok(server) => &server.url,
        Err(error) => bail!("no PostgreSQL for the tests: {error}"),
    };
    let options = PgConnectOptions::from_str(url)?;
    let name = format!("rollcall_test_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect_with(&options).await.with_context(|| format!("connecting to {url}"))?;
    connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
    connection.close().await?;
    Ok(options.database(&name).to_url_lossy().to_string())
}

fn server() -> Result<Server> {
    match env::var("ROLLCALL_TEST_POSTGRES_URL") {
        Ok(url) if !url.is_empty() => Ok(Server { url, _leash: None }),
        _ => start(&binaries()?),
    }
}

/// The directory of the newest installed server's binaries.
pub(crate) fn binaries() -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort_by_key(|bin| bin.parent().and_then(Path::file_name).and_then(|version| version.to_str()?.parse::<u32>().ok()));
    found.pop().context("no initdb under /usr/lib/postgresql; install it (apt-get install postgresql) or set ROLLCALL_TEST_POSTGRES_URL")
}

/// Makes a cluster in a directory of its own, serves it on a socket there until standard input ends, and removes it.
/// PostgreSQL refuses to run as root, so root hands it to the user that Debian's package makes.
const SERVE: &str = r#"
set -eu
cd /
as=""
if [ "$(id -u)" = 0 ]; then as="setpriv --reuid=postgres --regid=postgres --clear-groups"; fi
dir=$($as mktemp -d "${TMPDIR:-/tmp}/rollcall-pg.XXXXXX")
trap '$as "$1/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1; rm -rf "$dir"' EXIT
trap '' INT TERM HUP
$as "$1/initdb" -D "$dir/data" -U rollcall --auth=trust --encoding=UTF8 --locale=C.UTF-8 >&2
$as "$1/pg_ctl" -D "$dir/data" -w -l "$dir/log" -o "-k $dir -c listen_addresses= -c max_connections=400" start >&2 || { cat "$dir/log" >&2; exit 1; }
echo "$dir"
cat >/dev/null
"#;

fn start(binaries: &Path) -> Result<Server> {
    let log = tempfile::NamedTempFile::new()?;
    let mut child = Command::new("/bin/sh")
        .args(["-c", SERVE, "sh"])
        .arg(binaries)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log.reopen()?)
        .spawn()
        .context("starting /bin/sh")?;
    let leash = child.stdin.take();
    let mut directory = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut directory)?;
    let directory = directory.trim();
    if directory.is_empty() {
        child.wait()?;
        bail!("initdb or pg_ctl failed:\n{}", std::fs::read_to_string(log.path())?);
    }
    let url = PgConnectOptions::new().socket(directory).username("rollcall").database("postgres").to_url_lossy();
    Ok(Server { url: url.to_string(), _leash: leash })
}
