//! An estate of machines that are network namespaces: real daemons, real agents, one bridge between them.

mod machine;
pub mod programs;
mod score;
pub mod shop;

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicU8, Ordering},
};

use anyhow::{Context, ensure};
use tempfile::TempDir;

pub use machine::{Machine, Program};
pub use score::{Edge, Graph, Score};

/// A bridge, and the machines on it. All of it goes when it is dropped.
pub struct Estate {
    directory: TempDir,
    bridge: String,
    /// The first three numbers of its addresses.
    network: String,
    /// Tells it from the others of this process.
    letter: char,
    machines: Vec<Machine>,
}

/// Estates made by this process.
static MADE: AtomicU8 = AtomicU8::new(0);

impl Estate {
    /// A bridge with this machine's address on it, where the collector listens.
    ///
    /// # Errors
    /// If this is not root, or the kernel has no network namespaces.
    pub fn new() -> anyhow::Result<Self> {
        ensure!(rustix::process::geteuid().is_root(), "network namespaces need root: run this test as root");
        let process = std::process::id();
        let number = MADE.fetch_add(1, Ordering::Relaxed) % 26;
        let letter = char::from(b'a' + number);
        let directory = tempfile::Builder::new().prefix("rollcall-estate").tempdir()?;
        // The daemons' own users go through it to their directories.
        std::fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        let estate = Self {
            directory,
            bridge: format!("rce{process}{letter}"),
            network: format!("10.{}.{}", 214 + number, process % 250),
            letter,
            machines: Vec::new(),
        };
        run(&["ip", "link", "add", &estate.bridge, "type", "bridge"])?;
        run(&["ip", "addr", "add", &format!("{}/24", estate.address(1)), "dev", &estate.bridge])?;
        run(&["ip", "link", "set", &estate.bridge, "up"])?;
        Ok(estate)
    }

    /// An address on the bridge; 1 is this machine's.
    pub fn address(&self, number: u8) -> String {
        format!("{}.{number}", self.network)
    }

    /// Addresses and prefix length of the bridge.
    pub fn network(&self) -> String {
        format!("{}.0/24", self.network)
    }

    /// Where the machines' files are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Adds a machine that asks the one at `resolver` for names.
    ///
    /// # Errors
    /// If it cannot be made; what was made of it goes again.
    pub async fn add(&mut self, name: &str, number: u8, resolver: u8) -> anyhow::Result<()> {
        let (address, resolver) = (self.address(number), self.address(resolver));
        let machine = Machine::start(self.directory.path(), &self.bridge, name, &address, &resolver, self.letter).await?;
        self.machines.push(machine);
        Ok(())
    }

    /// A machine.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn machine(&mut self, name: &str) -> anyhow::Result<&mut Machine> {
        self.machines.iter_mut().find(|machine| machine.name() == name).with_context(|| format!("no machine {name}"))
    }

    /// All machines.
    pub fn machines(&mut self) -> &mut [Machine] {
        &mut self.machines
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        self.machines.clear();
        if let Err(error) = run(&["ip", "link", "del", &self.bridge]) {
            eprintln!("{error:#}");
        }
    }
}

fn run(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(arguments[0]).args(&arguments[1..]).output().with_context(|| format!("{arguments:?}"))?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
