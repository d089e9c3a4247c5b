//! The commands, as a person or a service manager starts them.

use std::{
    io::Write,
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use rollcall_agent::state::StateDirectory;
use rollcall_shared::{
    AgentId,
    wire::v1::{EnrollRequest, EnrollResponse, paths},
};
use uuid::Uuid;

use super::{
    collector::{Answer, Collector, Leaf, Pki},
    reporting::{Known, ordinary},
};

pub(crate) struct Machine {
    pub(crate) collector: Collector,
    pub(crate) directory: tempfile::TempDir,
}

impl Machine {
    pub(crate) async fn new() -> Self {
        let collector = Collector::start(Arc::new(Pki::new()), &Leaf::default()).await;
        let (pki, mut answer) = (Arc::clone(&collector.pki), ordinary(&Known::default()));
        collector.answer(move |asked| match asked.path.as_str() {
            paths::ENROLL => {
                let request: EnrollRequest = asked.json();
                Answer::ok(&EnrollResponse::Issued(pki.issue(&request.csr, AgentId(Uuid::from_u128(7)), 1, (0, 7))))
            }
            _ => answer(asked),
        });
        Self { collector, directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).env_clear().env("ROLLCALL_STATE_DIR", self.directory.path().join("state"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end: its exit code, and all that it printed.
    pub(crate) async fn run(&self, arguments: &[&str], input: &str) -> (i32, String) {
        let mut command = self.command(arguments);
        let input = input.to_owned();
        let output: Output = tokio::task::spawn_blocking(move || {
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        })
        .await
        .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    pub(crate) async fn enroll(&self) {
        let (code, printed) = self.run(&["enroll", "--token-file", "-"], &self.collector.token().to_text()).await;
        assert_eq!(code, 0, "{printed}");
        assert!(printed.contains("enrolled as agent 00000000-0000-0000-0000-000000000007") && printed.contains("next:"), "{printed}");
    }

    /// Waits until so many check-ins have arrived.
    pub(crate) async fn check_ins(&self, wanted: usize) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut seen = 0;
        while seen < wanted {
            assert!(Instant::now() < deadline, "{seen} of {wanted} check-ins");
            seen += self.collector.asked().iter().filter(|asked| asked.path == paths::CHECK_IN).count();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The agent; another build of it where ROLLCALL_TEST_AGENT names one.
pub(crate) fn binary() -> std::ffi::OsString {
    std::env::var_os("ROLLCALL_TEST_AGENT").unwrap_or_else(|| env!("CARGO_BIN_EXE_rollcall-agent").into())
}

pub(crate) async fn ended(mut child: Child) -> i32 {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code().unwrap_or(-1);
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it does not end");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[tokio::test]
async fn from_nothing_to_acknowledged() {
    let machine = Machine::new().await;
    let (code, printed) = machine.run(&["run", "--once"], "").await;
    assert!(code == 1 && printed.contains("rollcall-agent enroll --token"), "{printed}");
    let (code, printed) = machine.run(&["status"], "").await;
    assert!(code == 1 && printed.contains("next: rollcall-agent enroll"), "{printed}");

    machine.enroll().await;
    let (code, printed) = machine.run(&["run", "--once"], "").await;
    let sections = rollcall_agent::collect::COLLECTORS.len();
    assert!(code == 0 && printed.contains(&format!("acknowledged: {sections} sections sent")), "{printed}");
    let (code, printed) = machine.run(&["status"], "").await;
    assert!(code == 0 && printed.contains("generation 1") && printed.contains(&format!("{sections} sections, 2 exchanges")), "{printed}");
    let (code, printed) = machine.run(&["doctor"], "").await;
    assert!(code == 0 && printed.contains("the collector proved that it is the one"), "{printed}");
}

#[tokio::test]
async fn an_installer_is_not_told_to_do_what_it_does() {
    let machine = Machine::new().await;
    let token = machine.collector.token().to_text();
    // It runs already.
    let state = StateDirectory::new(machine.directory.path().join("state"));
    state.prepare().unwrap();
    let lock = state.lock().unwrap();
    let (code, printed) = machine.run(&["enroll", "--token-file", "-", "--installing"], &token).await;
    assert!(code == 1 && printed.contains("systemctl stop") && printed.contains("pkill -x rollcall-agent"), "{printed}");
    drop(lock);
    let (code, printed) = machine.run(&["enroll", "--token-file", "-", "--installing"], &token).await;
    assert!(code == 0 && printed.contains("enrolled as agent") && !printed.contains("next:"), "{printed}");
}

#[tokio::test]
async fn a_token_on_a_fresh_image_is_enough_for_run() {
    let machine = Machine::new().await;
    let file = machine.directory.path().join("token");
    std::fs::write(&file, machine.collector.token().to_text()).unwrap();
    let (code, printed) = machine.run(&["run", "--once", "--token-file", file.to_str().unwrap()], "").await;
    assert_eq!(code, 0, "{printed}");
}

#[tokio::test]
async fn a_running_agent_ends_cleanly_and_goes_on_after_being_killed() {
    let machine = Machine::new().await;
    machine.enroll().await;
    let run = ["run", "--check-in-interval", "100ms", "--sample-interval", "50ms", "--start-jitter", "0s"];
    let mut child = machine.command(&run).spawn().unwrap();
    machine.check_ins(2).await;
    // While it runs, nobody else may use its state.
    let (code, printed) = machine.run(&["run", "--once"], "").await;
    assert!(code == 1 && printed.contains("another rollcall-agent uses"), "{printed}");
    signal(&child, rustix::process::Signal::KILL);
    child.wait().unwrap();
    let child = machine.command(&run).spawn().unwrap();
    machine.check_ins(2).await;
    signal(&child, rustix::process::Signal::TERM);
    assert_eq!(ended(child).await, 0);
}

#[tokio::test]
async fn doctor_names_what_is_wrong() {
    let machine = Machine::new().await;
    let (code, printed) = machine.run(&["doctor"], "").await;
    assert!(code == 1 && printed.contains("FAILED   state directory") && printed.contains("next: rollcall-agent enroll"), "{printed}");
    machine.enroll().await;
    let state = machine.directory.path().join("state");
    std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (code, printed) = machine.run(&["doctor"], "").await;
    assert!(code == 1 && printed.contains("mode 0755") && printed.contains("chmod 0700"), "{printed}");
    let (code, printed) = machine.run(&["run", "--once"], "").await;
    assert!(code == 1 && printed.contains("chmod 0700"), "{printed}");
}

#[tokio::test]
async fn inventory_is_json_without_enrollment() {
    let machine = Machine::new().await;
    let (code, printed) = machine.run(&["inventory", "--section", "identity", "--section", "cpu"], "").await;
    let document: rollcall_shared::wire::v1::InventoryDocument = serde_json::from_str(&printed).unwrap();
    assert_eq!((code, document.sections.keys().map(String::as_str).collect::<Vec<_>>()), (0, vec!["cpu", "identity"]));
    let (code, printed) = machine.run(&["inventory", "--section", "shoes"], "").await;
    assert!(code == 1 && printed.contains("inventory --list"), "{printed}");
}
