//! CPU time of one look at 2,500 sockets and the processes that hold them, against what the kernel alone takes for it and against reading
//! `/proc/net/tcp` of the same.

use std::{
    collections::{HashSet, VecDeque},
    io::{BufRead, BufReader, Write},
    mem::MaybeUninit,
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow, bail, ensure};
use rollcall_agent::{
    files::Root,
    observe::{Sampler, Windows},
    parse::proc_net,
    sockets,
};
use rollcall_shared::Timestamp;
use rustix::{
    fs::{CWD, Dir, Mode, OFlags, openat, readlinkat_raw},
    net::sockopt::set_socket_linger,
    time::{ClockId, clock_gettime},
};

use super::{super::Times, Line};

const HOLDERS: usize = 10;
/// Connections of each holder to the next; both ends are of this machine.
const CONNECTIONS: usize = 125;
const SOCKETS: usize = 2 * HOLDERS * CONNECTIONS;
/// Connections of each holder that are replaced between two samples of a changing machine: one in 25.
const REPLACED: usize = 5;
const ROUNDS: usize = 20;

pub(super) fn lines() -> anyhow::Result<Vec<Line>> {
    // Others than those that are sampled: what was looked up once, the kernel keeps.
    let descriptors = Holders::start()?.read_descriptors()?;
    let mut holders = Holders::start()?;
    // The agent samples on one thread: what that thread uses is what a sample costs.
    let measured = thread::scope(|scope| scope.spawn(|| Measured::take(&mut holders)).join());
    let measured = measured.map_err(|_| anyhow!("the thread that samples has panicked"))??;
    let [first, steady, changing, table] = [measured.first, measured.steady, measured.changing, measured.table].map(milliseconds);
    let sample = |which: &str, cost| Line::at_most(format!("CPU of a sample of {SOCKETS} sockets, {which}"), cost, 5.0, "ms");
    let [kernel_table, kernel_descriptors] = [measured.dump, descriptors].map(milliseconds);
    Ok(vec![
        sample("nothing new", steady),
        sample(&format!("{} new", 2 * REPLACED * HOLDERS), changing),
        // Only once in the life of an agent, and only where the kernel does not tell a socket's control group or that names no service:
        // then each descriptor of each process has to be asked for.
        Line::plain(
            format!(
                "the first, which asks whose each socket is ({kernel_table:.2} ms for the table and {kernel_descriptors:.1} ms for as many descriptors are the kernel's alone)"
            ),
            format!("{first:.2} ms"),
        ),
        Line::plain("reading and parsing /proc/net/tcp of the same", format!("{table:.2} ms")),
        Line::plain("its CPU to that of a sample, nothing new", format!("{:.1} x", table / steady.max(1e-6))),
    ])
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// CPU time of the thread that sampled.
struct Measured {
    /// Nothing is known yet: each socket's holder is looked for.
    first: Duration,
    /// The sockets are those of the sample before.
    steady: Duration,
    /// Some connections were replaced since the sample before.
    changing: Duration,
    /// The kernel's answer alone.
    dump: Duration,
    /// The reference.
    table: Duration,
}

impl Measured {
    fn take(holders: &mut Holders) -> anyhow::Result<Self> {
        let root = Root::new("/");
        let mut sampler = Sampler::default();
        sampler.hear_closed();
        let mut windows = Windows::default();
        let mut sample = || -> anyhow::Result<(Duration, HashSet<u32>)> {
            let begun = processor_time()?;
            let seen = sampler.sample_machine(&root)?;
            windows.add(&seen.sightings, Timestamp::now());
            let used = processor_time()?.saturating_sub(begun);
            Ok((used, seen.listeners.iter().filter_map(|listener| listener.pid).collect()))
        };
        let (first, pids) = sample()?;
        // Cheap because it saw little would be no measurement.
        ensure!(holders.pids().all(|pid| pids.contains(&pid)), "the sampler has not found the processes that hold the sockets");
        holders.ensure_complete()?;
        let (mut steady, mut changing, mut dump, mut table) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            steady.push(sample()?.0);
            let begun = processor_time()?;
            ensure!(sockets::dump()?.len() >= SOCKETS, "the kernel's table is not whole");
            dump.push(processor_time()?.saturating_sub(begun));
            table.push(holders.read_table(&root)?);
        }
        for _ in 0..ROUNDS {
            holders.replace(REPLACED)?;
            changing.push(sample()?.0);
        }
        holders.ensure_complete()?;
        let median = |times| Times::new(times).percentile(50);
        Ok(Self { first, steady: median(steady), changing: median(changing), dump: median(dump), table: median(table) })
    }
}

/// Processor time that this thread has used.
fn processor_time() -> anyhow::Result<Duration> {
    Ok(Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?)
}

/// Processes that hold connections, each to the next in a ring.
struct Holders(Vec<Holder>);

impl Holders {
    fn start() -> anyhow::Result<Self> {
        let mut holders = Self((0..HOLDERS).map(|_| Holder::start()).collect::<anyhow::Result<_>>()?);
        holders.connect(CONNECTIONS)?;
        Ok(holders)
    }

    fn connect(&mut self, count: usize) -> anyhow::Result<()> {
        for index in 0..self.0.len() {
            let next = (index + 1) % self.0.len();
            let address = self.0[next].address;
            self.0[index].ask(&format!("connect {count} {address}"))?;
            self.0[next].ask(&format!("accept {count}"))?;
        }
        Ok(())
    }

    /// Closes the oldest connections of each and opens as many.
    fn replace(&mut self, count: usize) -> anyhow::Result<()> {
        for holder in &mut self.0 {
            holder.ask(&format!("close {count}"))?;
        }
        self.connect(count)
    }

    fn pids(&self) -> impl Iterator<Item = u32> {
        self.0.iter().map(|holder| holder.process.id())
    }

    /// Fails unless the kernel has all that the measurement is of.
    fn ensure_complete(&self) -> anyhow::Result<()> {
        let sockets = sockets::dump()?;
        let connected = sockets.iter().filter(|socket| socket.inode != 0 && self.is_one(socket.local, socket.peer)).count();
        ensure!(connected == SOCKETS, "{connected} sockets of {SOCKETS} are connected");
        Ok(())
    }

    /// Reads and parses the kernel's table, and answers what that used.
    fn read_table(&self, root: &Root) -> anyhow::Result<Duration> {
        let begun = processor_time()?;
        let table = root.read_up_to("/proc/net/tcp", 16 << 20)?;
        let sockets: Vec<_> = proc_net::sockets(&table).collect();
        let used = processor_time()?.saturating_sub(begun);
        let found = sockets.iter().filter(|socket| self.is_one(socket.local, socket.peer)).count();
        ensure!(found >= SOCKETS, "/proc/net/tcp tells of {found} sockets of {SOCKETS}");
        Ok(used)
    }

    /// Reads where every descriptor of each process leads, and answers what that used.
    fn read_descriptors(&self) -> anyhow::Result<Duration> {
        let begun = processor_time()?;
        let mut sockets = 0;
        for pid in self.pids() {
            let directory = openat(CWD, format!("/proc/{pid}/fd"), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
            for entry in Dir::read_from(&directory)? {
                let mut target = [MaybeUninit::uninit(); 64];
                // The directory itself is none.
                let Ok((target, _)) = readlinkat_raw(&directory, entry?.file_name(), &mut target) else { continue };
                sockets += usize::from(target.starts_with(b"socket:"));
            }
        }
        let used = processor_time()?.saturating_sub(begun);
        ensure!(sockets >= SOCKETS, "{sockets} descriptors of {SOCKETS} are sockets");
        Ok(used)
    }

    fn is_one(&self, local: SocketAddr, peer: SocketAddr) -> bool {
        peer.port() != 0 && self.0.iter().any(|holder| holder.address == local || holder.address == peer)
    }
}

/// One of them: this program again, which does as it is told and ends with its input.
struct Holder {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Holder {
    fn start() -> anyhow::Result<Self> {
        let mut process =
            Command::new(std::env::current_exe()?).arg("hold-sockets").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (process.stdin.take().context("no input")?, process.stdout.take().context("no output")?);
        let mut output = BufReader::new(output);
        let address = line(&mut output)?.parse()?;
        Ok(Self { process, input, output, address })
    }

    fn ask(&mut self, what: &str) -> anyhow::Result<()> {
        writeln!(self.input, "{what}")?;
        let answer = line(&mut self.output)?;
        ensure!(answer == "done", "a process that holds sockets was asked to {what} and answered {answer:?}");
        Ok(())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after wait.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn line(output: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// Holds connections as standard input tells (`connect COUNT ADDRESS`, `accept COUNT`, `close COUNT`, each answered with
/// `done`), for [`Holder`]; first prints where it listens.
///
/// # Errors
/// What it is told cannot be done.
pub fn hold() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let (mut made, mut taken) = (VecDeque::new(), VecDeque::new());
    for line in std::io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["connect", count, address] => {
                for _ in 0..count.parse()? {
                    made.push_back(ending_at_once(TcpStream::connect(address)?)?);
                }
            }
            ["accept", count] => {
                for _ in 0..count.parse()? {
                    taken.push_back(ending_at_once(listener.accept()?.0)?);
                }
            }
            ["close", count] => {
                for held in [&mut made, &mut taken] {
                    held.drain(..count.parse::<usize>()?.min(held.len()));
                }
            }
            _ => bail!("{line:?} is not understood"),
        }
        println!("done");
    }
    Ok(())
}

/// Closed with a reset, it leaves nothing in the kernel's tables, which stay as large as they are.
fn ending_at_once(stream: TcpStream) -> anyhow::Result<TcpStream> {
    set_socket_linger(&stream, Some(Duration::ZERO))?;
    Ok(stream)
}
