//! What an agent that waits holds in memory.

use std::{
    fs,
    process::{Child, Stdio},
};

use rollcall_tests::harness::{AgentProcess, until};

/// Ended when the test is.
struct Running(Child);

impl Running {
    fn kibibytes(&self, which: &str) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).ok()?;
        status.lines().find_map(|line| line.strip_prefix(which)?.strip_suffix("kB")?.trim().parse().ok())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after wait.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Far less than what is mapped of the program for an inventory.
const MOST_AT_REST: u64 = 4 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_half_that_has_read_is_small() -> anyhow::Result<()> {
    let agent = AgentProcess::new()?;
    let mut command = agent.command(["run", "--role", "reader", "--sample-interval", "1h", "--log", "warn"]);
    let mut reader = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    let inventory = agent.state_dir().join("spool/reader/inventory.rcs");
    until("an inventory is in the spool", || std::future::ready(inventory.exists().then_some(()))).await;
    let is_small = || reader.kibibytes("VmRSS:").is_some_and(|held| held <= MOST_AT_REST);
    until(&format!("the reader holds at most {MOST_AT_REST} KiB"), || std::future::ready(is_small().then_some(()))).await;
    assert!(reader.0.try_wait()?.is_none(), "it runs on");
    Ok(())
}
