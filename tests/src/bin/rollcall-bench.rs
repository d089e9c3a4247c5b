//! `tests/bench`: see there.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use rollcall_tests::bench::{agent, graph, impact, import, ingest, search};

/// Benchmarks with ratios to what is measured in the same run.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// First, delta and unchanged reports a second into a SQLite collector, against one statement per row.
    Ingest {
        /// Machines.
        #[arg(long, default_value_t = 1_000)]
        machines: usize,
    },
    /// Impact of an outage on 100,000 CIs, against a recursive CTE in SQLite.
    Impact {
        /// Configuration items.
        #[arg(long, default_value_t = 100_000)]
        cis: usize,
        /// Outages asked.
        #[arg(long, default_value_t = 50)]
        questions: usize,
    },
    /// A table previewed, applied, previewed again and taken back, against one look-up and one insert per row in SQLite.
    Import {
        /// Rows.
        #[arg(long, default_value_t = 100_000)]
        rows: usize,
    },
    /// Every target of the dependency graph, against petgraph, SQLite and PostgreSQL, with how each grows.
    Graph {
        /// Configuration items of the largest estate.
        #[arg(long, default_value_t = 1_000_000)]
        cis: usize,
        /// Configuration items of the largest estate that is put into SQLite and PostgreSQL, which takes much longer than all else.
        #[arg(long, default_value_t = 1_000_000)]
        stored: usize,
        /// Outages asked.
        #[arg(long, default_value_t = 200)]
        questions: usize,
    },
    /// First pages of filters and searches from a running collector, against looking at every item.
    Search {
        /// Configuration items.
        #[arg(long, default_value_t = 100_000)]
        cis: usize,
        /// Times each is asked.
        #[arg(long, default_value_t = 40)]
        rounds: usize,
    },
    /// Loads a graph from a snapshot file and prints time and memory.
    #[command(hide = true)]
    LoadGraph {
        /// The file.
        file: PathBuf,
    },
    /// Keeps a copy of a store's graph in it.
    #[command(hide = true)]
    CopyGraph {
        /// The store.
        url: String,
        /// Configuration items in it.
        cis: usize,
        /// Where its files are.
        directory: PathBuf,
    },
    /// Loads a store and prints time and memory.
    #[command(hide = true)]
    LoadStore {
        /// The store.
        url: String,
        /// Configuration items in it.
        cis: usize,
        /// Where its files are.
        directory: PathBuf,
    },
    /// What an inventory costs against FusionInventory's and facter's, a sample of 2,500 sockets, memory at rest, bytes on the wire.
    Agent {
        /// The agent.
        #[arg(long)]
        agent: PathBuf,
        /// Times each is run.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
        /// Only these parts; all unless given.
        #[arg(long, value_delimiter = ',')]
        only: Vec<agent::Part>,
    },
    /// Runs a command and prints the CPU time (µs) and peak memory (bytes) it used.
    #[command(hide = true)]
    Measure {
        /// The command.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Holds TCP connections as standard input tells.
    #[command(hide = true)]
    HoldSockets,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().what {
        What::Ingest { machines } => ingest::run(machines).await,
        What::Impact { cis, questions } => impact::run(&impact::Options { cis, questions, ..impact::Options::default() }).await,
        What::Import { rows } => import::run(rows).await,
        What::Graph { cis, stored, questions } => {
            let sizes = [100, 10, 1].map(|part| cis / part).into_iter().filter(|size| *size >= 1_000).collect();
            graph::run(&graph::Options { sizes, stored, questions, ..graph::Options::default() }).await
        }
        What::Search { cis, rounds } => search::run(cis, rounds).await,
        What::LoadGraph { file } => {
            let (seconds, megabytes) = graph::pure::load(&file).map_err(|error| anyhow::anyhow!("{error}"))?;
            println!("load {seconds} {megabytes}");
            Ok(())
        }
        What::CopyGraph { url, cis, directory } => graph::copy_graph(&url, cis, &directory).await,
        What::LoadStore { url, cis, directory } => graph::load_store(&url, cis, &directory).await,
        What::Agent { agent, rounds, only } => agent::run(&agent, rounds, &only).await,
        What::Measure { command } => agent::measure(&command),
        What::HoldSockets => agent::hold(),
    }
}
