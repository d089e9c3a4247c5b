//! Two processes with nothing but the spool between them.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rollcall_agent::{
    clock::LocalTime,
    cycle::Agent,
    spool::{Draft, Spool},
    state::StateDirectory,
};
use rollcall_shared::wire::v1::{InventoryDocument, SectionStatus, paths};
use rustix::process::Signal;

use super::{
    commands::{Machine, binary, ended, signal},
    reporting::{Known, enrolled, ordinary, settings},
};

/// As whom the packages run the two; any numbers that nobody has.
const READER: u32 = 64_001;
const SENDER: u32 = 64_002;
const GROUP: u32 = 64_000;

/// Directories as the services make them, and what each process did, as the kernel saw it.
struct Separated {
    directory: tempfile::TempDir,
}

impl Separated {
    fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "working as two users needs root: run this test as root");
        let directory = tempfile::tempdir().unwrap();
        let separated = Self { directory };
        let path = |name: &str| separated.path(name);
        fs::set_permissions(separated.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for (name, owner, mode) in
            [("spool", 0, 0o755), ("spool/reader", READER, 0o750), ("spool/sender", SENDER, 0o700), ("state", SENDER, 0o700)]
        {
            fs::create_dir(path(name)).unwrap();
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
            chown(path(name), Some(owner), Some(GROUP)).unwrap();
        }
        // Where it was built, others may not be let in.
        fs::copy(binary(), path("rollcall-agent")).unwrap();
        separated
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs one half once under strace, as this user, with these capabilities; what it printed, and its system calls.
    async fn run(&self, role: &str, user: u32, capabilities: &str, token: &str) -> (String, String) {
        let log = self.path(&format!("{role}.strace"));
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-s", "300", "-e", "trace=socket,open,openat,openat2,execve", "-o"]).arg(&log);
        command.arg("setpriv").arg(format!("--reuid={user}")).arg(format!("--regid={GROUP}")).arg("--clear-groups").arg("--no-new-privs");
        let (none, some) = (String::from("-all"), format!("-all,{capabilities}"));
        let wanted = if capabilities.is_empty() { &none } else { &some };
        command.arg(format!("--inh-caps={wanted}")).arg(format!("--ambient-caps={wanted}")).arg(format!("--bounding-set={wanted}"));
        command.arg(self.path("rollcall-agent")).args(["run", "--once", "--role", role]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("ROLLCALL_TOKEN", token);
        command.env("ROLLCALL_STATE_DIR", self.path("state")).env("ROLLCALL_SPOOL_DIR", self.path("spool"));
        command.stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap();
        let output = output.expect("strace cannot be run; on Debian: apt-get install strace");
        let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success(), "{role}: {printed}");
        // What comes before is setpriv's.
        let calls = fs::read_to_string(log).unwrap();
        let (_, own) = calls.rsplit_once("rollcall-agent\", [").unwrap();
        (printed, own.to_owned())
    }
}

/// The paths that were opened, also where that failed.
fn opened(calls: &str) -> Vec<&str> {
    calls.lines().filter(|line| line.contains("open")).filter_map(|line| line.split('"').nth(1)).collect()
}

#[tokio::test]
async fn the_reader_opens_no_internet_socket_and_the_sender_nothing_of_the_machine() {
    let machine = Machine::new().await;
    let separated = Separated::new();
    let (_, calls) = separated.run("reader", READER, "+dac_read_search,+sys_ptrace", "").await;
    let sockets: Vec<&str> = calls.lines().filter(|line| line.contains("socket(")).collect();
    assert!(sockets.iter().any(|line| line.contains("AF_NETLINK")), "{sockets:?}");
    let strange: Vec<_> = sockets.iter().filter(|line| !line.contains("AF_NETLINK") && !line.contains("AF_UNIX")).collect();
    assert!(strange.is_empty(), "{strange:?}");
    // It does see other users' processes, and starts none itself.
    assert!(opened(&calls).iter().any(|path| path.starts_with("/proc/1/")));
    assert!(!calls.contains("execve("), "{calls}");
    let inventory = Spool::new(separated.path("spool"), 64 << 20).reader().inventory().unwrap().unwrap();
    let listening = inventory.section("listening").unwrap().unwrap();
    assert_eq!(listening.status, SectionStatus::Ok);

    let token = machine.collector.token().to_text();
    let (printed, calls) = separated.run("sender", SENDER, "", &token).await;
    let sections = rollcall_agent::collect::COLLECTORS.len();
    assert!(printed.contains(&format!("acknowledged: {sections} sections sent")), "{printed}");
    let is_the_machines = |path: &&&str| {
        let of_a_process = path.strip_prefix("/proc/").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        of_a_process
            || ["/sys/firmware", "/sys/class", "/etc/shadow", "/etc/passwd", "/var/lib/dpkg", "/dev/"]
                .iter()
                .any(|place| path.starts_with(place))
    };
    let paths = opened(&calls);
    let strange: Vec<_> = paths.iter().filter(is_the_machines).collect();
    assert!(strange.is_empty(), "{strange:?}");
    // What it keeps is nobody else's, and what the reader wrote is only read.
    let owner = |name: &str| std::os::unix::fs::MetadataExt::uid(&fs::metadata(separated.path(name)).unwrap());
    assert_eq!(
        (owner("state/agent.key"), owner("spool/reader/inventory.rcs"), owner("spool/sender/acknowledged.rcs")),
        (SENDER, READER, SENDER)
    );
    assert!(!calls.lines().any(|line| line.contains("spool/reader") && (line.contains("O_WRONLY") || line.contains("O_RDWR"))));
}

/// A snapshot of this age, by the counter that nobody sets.
fn snapshot(spool: &Spool, age: Duration) {
    let now = LocalTime::now();
    let earlier = i64::try_from(age.as_millis()).unwrap();
    let at = LocalTime { local: now.local.plus_millis(-earlier), since_boot: now.since_boot - earlier, ..now };
    let mut draft = Draft::new(&at);
    let mut agent = rollcall_agent::cycle::Watch::new(rollcall_agent::observe::Windows::default());
    agent.sample(&rollcall_agent::files::Root::new("/"), at.local);
    for (name, section) in agent.collect(&rollcall_agent::files::Root::new("/"), at.local, Some(&["cpu".to_owned(), "memory".to_owned()])) {
        draft.add(&name, &section).unwrap();
    }
    spool.reader().set_inventory(&draft).unwrap();
}

#[tokio::test]
async fn a_machine_that_is_not_read_any_more_does_not_look_unchanged() {
    let (collector, _directory, state) = enrolled((0, 7)).await;
    let known = Known::default();
    collector.answer(ordinary(&known));
    let settings = settings(&state);
    let spool = settings.spool();
    spool.prepare(&[rollcall_agent::spool::Role::Reader]).unwrap();
    let statuses = |collector: &super::collector::Collector| -> Vec<SectionStatus> {
        let asked = collector.asked();
        let document = asked.iter().find(|asked| asked.path == paths::INVENTORY).map(|asked| asked.zstd_json::<InventoryDocument>());
        document.map(|document| document.sections.into_values().map(|section| section.status).collect()).unwrap_or_default()
    };
    let mut agent = Agent::open(state.clone(), &settings, false).unwrap();
    assert!(agent.exchange().await.unwrap_err().to_string().contains("rollcall-agent-reader"));
    snapshot(&spool, Duration::ZERO);
    agent.exchange().await.unwrap();
    assert_eq!(statuses(&collector), [SectionStatus::Ok, SectionStatus::Ok]);
    snapshot(&spool, Duration::from_secs(2 * 3_600));
    agent.exchange().await.unwrap();
    let failed = statuses(&collector);
    assert!(matches!(&failed[..], [SectionStatus::Failed { reason }, _] if reason.contains("has not reported since")), "{failed:?}");
    // Said once, not at every check-in.
    agent.exchange().await.unwrap();
    assert!(statuses(&collector).is_empty());
}

#[tokio::test]
async fn the_two_work_side_by_side_and_status_tells_when_one_has_gone() {
    let machine = Machine::new().await;
    machine.enroll().await;
    let start = |role: &str| {
        let arguments = ["run", "--role", role, "--check-in-interval", "100ms", "--sample-interval", "50ms", "--start-jitter", "0s"];
        machine.command(&arguments).spawn().unwrap()
    };
    // The sender waits for what the reader has to say.
    let sender = start("sender");
    let mut reader = start("reader");
    machine.check_ins(2).await;
    let (_, printed) = machine.run(&["status"], "").await;
    assert!(printed.contains("agent            running") && printed.contains("last inventory   2"), "{printed}");
    // The reader hears from the sender when the next check-in comes, and looks again before it.
    let spool = Spool::new(machine.directory.path().join("state/spool"), 64 << 20);
    let number = || spool.reader().inventory().ok().flatten().map_or(0, |found| found.number());
    let (first, deadline) = (number(), Instant::now() + Duration::from_secs(60));
    while number() < first + 2 {
        assert!(Instant::now() < deadline, "the inventory is not renewed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (code, printed) = machine.run(&["run", "--role", "reader", "--once"], "").await;
    assert!(code == 1 && printed.contains("another rollcall-agent uses"), "{printed}");
    signal(&reader, Signal::KILL);
    reader.wait().unwrap();
    let (_, printed) = machine.run(&["status"], "").await;
    assert!(printed.contains("sending, but not reading the machine"), "{printed}");
    machine.check_ins(2).await;
    signal(&sender, Signal::TERM);
    assert_eq!(ended(sender).await, 0);
    assert!(StateDirectory::new(machine.directory.path().join("state")).progress().unwrap().last_check_in.is_some());
    assert!(Path::new(&machine.directory.path().join("state/spool/reader/inventory.rcs")).exists());
}

/// How many threads a process has.
fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn at_rest_there_is_one_thread() {
    let machine = Machine::new().await;
    machine.enroll().await;
    let arguments = ["run", "--check-in-interval", "1h", "--sample-interval", "1h", "--start-jitter", "0s"];
    let child = machine.command(&arguments).spawn().unwrap();
    machine.check_ins(1).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while threads(child.id()) != 1 {
        assert!(Instant::now() < deadline, "{} threads", threads(child.id()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    signal(&child, Signal::TERM);
    assert_eq!(ended(child).await, 0);
}

/// A line of `/proc/PID/status`, bytes.
fn memory(pid: u32, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kib =
        status.lines().find_map(|found| found.strip_prefix(line)?.trim_start_matches(':').split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap() << 10
}

/// Of a build for use (`--release`, or one that ROLLCALL_TEST_AGENT names); others are larger, and only shown.
#[tokio::test]
async fn both_processes_together_are_small() {
    const AT_REST: u64 = 10 << 20;
    const PEAK: u64 = 16 << 20;
    let machine = Machine::new().await;
    machine.enroll().await;
    let start = |role: &str| {
        let arguments = ["run", "--role", role, "--check-in-interval", "700ms", "--sample-interval", "200ms", "--start-jitter", "0s"];
        machine.command(&arguments).stderr(Stdio::null()).spawn().unwrap()
    };
    let (mut reader, mut sender) = (start("reader"), start("sender"));
    machine.check_ins(4).await;
    let each = [&reader, &sender].map(|child| (memory(child.id(), "VmRSS"), memory(child.id(), "VmHWM")));
    for child in [&mut reader, &mut sender] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let together: u64 = each.iter().map(|(at_rest, _)| at_rest).sum();
    println!("reader and sender, bytes (at rest, peak): {each:?}; together at rest {together}");
    if !cfg!(debug_assertions) || std::env::var_os("ROLLCALL_TEST_AGENT").is_some() {
        assert!(together <= AT_REST && each.iter().all(|(_, peak)| *peak <= PEAK), "{each:?}, together {together}");
    }
}
