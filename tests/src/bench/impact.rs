//! Impact of an outage on a generated estate of 100,000 CIs, against a recursive CTE in SQLite over the same edges.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rollcall_core::{
    MinUp, Revision,
    graph::{EdgePart, Graph, GraphParts, GroupPart, NodePart},
    impact::{Basis, Outage, Solver, State, assess},
};
use rollcall_shared::{CiId, NeedGroupId, RelationshipId, Timestamp, catalogue::Hardness};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use uuid::Uuid;

use super::Times;

/// Estate and questions.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Configuration items.
    pub cis: usize,
    /// Outages asked.
    pub questions: usize,
    /// Decides everything random.
    pub seed: u64,
    /// Gives up on a CTE after this long; it counts with this time.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { cis: 100_000, questions: 50, seed: 1, patience: Duration::from_secs(10) }
    }
}

/// The estate in numbers: layers of machines, services, applications and business services.
struct Estate {
    edges: Vec<(usize, usize)>,
    groups: Vec<(usize, Vec<usize>)>,
    classes: Vec<&'static str>,
}

impl Estate {
    /// A fifth of all are machines; services run on them and call services of the tiers below, popular ones more often;
    /// every hundredth CI is a business service that needs groups of two of three.
    fn generate(options: &Options) -> Self {
        let mut rng = StdRng::seed_from_u64(options.seed);
        let (machines, business) = (options.cis / 5, options.cis / 100);
        let services = options.cis - machines - business;
        let (mut edges, mut groups) = (Vec::new(), Vec::new());
        for service in machines..machines + services {
            edges.push((service, rng.random_range(0..machines)));
            let below = service - machines;
            for _ in 0..rng.random_range(0..8_u8) {
                if below == 0 {
                    continue;
                }
                // The square makes few services popular with many, as databases and directories are.
                let share: f64 = rng.random::<f64>();
                let target = (share * share * share * share * below as f64) as usize;
                edges.push((service, machines + target.min(below - 1)));
            }
        }
        for index in 0..business {
            let ci = machines + services + index;
            let members: BTreeSet<usize> = (0..3).map(|_| machines + rng.random_range(services / 2..services)).collect();
            edges.extend(members.iter().map(|&member| (ci, member)));
            groups.push((ci, members.into_iter().collect()));
        }
        edges.sort_unstable();
        edges.dedup();
        let class = |ci: usize| match ci {
            _ if ci < machines => "server",
            _ if ci < machines + services => "service_instance",
            _ => "business_service",
        };
        Self { edges, groups, classes: (0..options.cis).map(class).collect() }
    }

    fn graph(&self) -> Graph {
        let nodes = self.classes.iter().enumerate().map(|(ci, class)| NodePart {
            id: id(ci),
            name: Cow::Owned(format!("ci-{ci}")),
            class,
            owner: None,
            agent: None,
            stopped: false,
        });
        let edges = self.edges.iter().enumerate().map(|(number, &(from, to))| EdgePart {
            relationship: RelationshipId(Uuid::from_u128(number as u128)),
            kind: if self.classes[to] == "server" { "runs_on" } else { "connects_to" },
            from: id(from),
            to: id(to),
            hardness: Hardness::Hard,
            evidence: Vec::new(),
        });
        let groups = self.groups.iter().enumerate().map(|(number, (ci, members))| GroupPart {
            id: NeedGroupId(Uuid::from_u128(number as u128)),
            ci: id(*ci),
            name: "providers",
            members: Cow::Owned(members.iter().map(|&member| id(member)).collect()),
            min_up: MinUp::Count(2),
            hardness: Hardness::Hard,
        });
        Graph::from_parts(GraphParts { revision: Revision(1), nodes: nodes.collect(), edges: edges.collect(), groups: groups.collect() })
    }
}

fn id(ci: usize) -> CiId {
    CiId(Uuid::from_u128(ci as u128 + 1))
}

/// Asks both the same questions and prints times and ratios.
///
/// # Errors
/// If SQLite fails, or the two disagree about what is reachable at all.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let estate = Estate::generate(options);
    let started = Instant::now();
    let graph = estate.graph();
    println!("impact: {} CIs, {} dependencies, {} need groups", graph.node_count(), graph.edge_count(), estate.groups.len());
    println!("  graph built from parts in {:.0} ms", started.elapsed().as_secs_f64() * 1e3);
    let mut sqlite = load(&estate).await?;

    let mut rng = StdRng::seed_from_u64(options.seed + 1);
    let mut solver = Solver::new(&graph);
    let (mut solved, mut assessed, mut asked) = (Vec::new(), Vec::new(), Vec::new());
    let (mut given_up, mut affected, mut reachable) = (0, 0, 0);
    for question in 0..options.questions {
        // Every other outage is of something popular: those are the ones that matter.
        let failed = match question % 2 {
            0 => rng.random_range(0..options.cis),
            _ => options.cis / 5 + rng.random_range(0..options.cis / 50),
        };
        let outage = Outage::down([id(failed)]);

        let started = Instant::now();
        let counts = solver.solve(outage.failures.iter().copied());
        solved.push(started.elapsed());

        let started = Instant::now();
        let assessment = assess(&graph, &outage, Basis::new(Timestamp::default(), |_| None));
        assessed.push(started.elapsed());
        affected += assessment.affected.len();
        let down = assessment.affected.iter().filter(|affected| affected.state == State::Down).count();
        ensure!(down == counts.down, "solver and assessment disagree about ci-{failed}: {} and {down} down", counts.down);

        let started = Instant::now();
        let found = tokio::time::timeout(options.patience, dependents(&mut sqlite, failed)).await;
        asked.push(started.elapsed());
        match found {
            Ok(count) => {
                let count = count?;
                reachable += count;
                ensure!(assessment.affected.len() <= count, "ci-{failed} affects more than can be reached from it");
            }
            Err(_) => {
                given_up += 1;
                sqlite = load(&estate).await?;
            }
        }
    }
    let (solved, assessed, asked) = (Times::new(solved), Times::new(assessed), Times::new(asked));
    let ratio = |times: &Times| times.sum().as_secs_f64() / asked.sum().as_secs_f64();
    println!("  {} outages of one CI; p50 / p95 / max, and the sum relative to SQLite's:", options.questions);
    println!("  states only                    {}   {:.4}", solved.describe(), ratio(&solved));
    println!("  with reasons and redundancy    {}   {:.4}", assessed.describe(), ratio(&assessed));
    println!("  recursive CTE, ids only        {}   1", asked.describe());
    if given_up > 0 {
        println!("  ({given_up} CTEs were given up after {} s)", options.patience.as_secs());
    }
    println!("  {affected} affected of {reachable} that depend in any way; redundancy absorbed {}", reachable - affected);
    Ok(())
}

async fn load(estate: &Estate) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().in_memory(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    for statement in [
        "CREATE TABLE edge (dependency INTEGER NOT NULL, dependent INTEGER NOT NULL, PRIMARY KEY (dependency, dependent)) WITHOUT ROWID",
        "CREATE TEMP TABLE loaded (json TEXT)",
    ] {
        sqlx::query(statement).execute(&mut connection).await?;
    }
    let json = serde_json::to_string(&estate.edges)?;
    sqlx::query("INSERT INTO edge SELECT value ->> 1, value ->> 0 FROM json_each(?)").bind(json).execute(&mut connection).await?;
    Ok(connection)
}

async fn dependents(connection: &mut SqliteConnection, of: usize) -> anyhow::Result<usize> {
    let count: i64 = sqlx::query_scalar(
        "WITH RECURSIVE reached(ci) AS (VALUES (?) UNION SELECT dependent FROM reached JOIN edge ON dependency = ci) \
         SELECT count(*) - 1 FROM reached",
    )
    .bind(i64::try_from(of)?)
    .fetch_one(connection)
    .await?;
    usize::try_from(count).context("a negative count")
}
