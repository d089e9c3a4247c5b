//! What breaks if this fails, why, what holds, and who must know.
//!
//! A CI's needs are groups of providers: so many of them must serve ([`crate::NeedGroup`]); a plain dependency is a group of one. From
//! what fails and "all else is ok", states only ever get worse until nothing changes: the least fixpoint, whatever the order, cycles
//! or not. A provider serves unless it is down; see [`State`] for what that makes of a dependent.
//!
//! What was seen not to run (a stopped service) is down before anything fails. The least fixpoint begins there: whoever it harms fares so
//! already and is not counted among what an outage affects, and no group counts on it.
//!
//! - [`assess`]: an outage of one or several CIs, with reasons, what absorbed it, how sure it is and whom to tell.
//! - [`Solver`]: states only, for sweeps and rankings.
//! - [`compare`]: two answers, as of two dates or before and after a change.
//! - [`blast_radius`], [`rank`]: how much each CI would take with it; [`Sweep`]: that of every CI at once, kept current.
//! - [`ServicesOn`]: how many business services stand on each CI, redundancy or not.
//! - [`single_points`], [`pairs`]: what takes a service down alone, or two together.
//! - [`pretend`]: a graph with other relationships or redundancy, to assess beside the one that is.
//! - [`paths()`]: how one CI depends on another.
//! - [`export`]: a picture for other programs.
//! - [`view`]: an assessment, or what a CI needs, laid out as a picture.
//! - [`Graph::needs`](crate::graph::Graph::needs): the other direction, what a CI needs.

mod absorbed;
mod assess;
mod basis;
mod bits;
mod blast;
mod compare;
mod descent;
mod explain;
pub mod export;
mod paths;
mod people;
mod services;
mod single_points;
mod solver;
mod state;
mod sweep;
mod verdict;
pub mod view;
mod waiting;
mod what_if;

pub use absorbed::Absorbed;
pub use assess::{Affected, Already, Assessment, Certainty, EvidenceShare, Failure, assess};
pub use basis::Basis;
pub use blast::{Blast, blast_radius, rank};
pub use compare::{Difference, compare};
pub use explain::{Hop, NeedReport, Provider};
pub use paths::{Path, Paths, paths};
pub use people::{Contact, Who};
pub use services::ServicesOn;
pub use single_points::{Pair, Pairs, SinglePoint, SinglePoints, pairs, single_points};
pub use solver::Solver;
pub use state::{Counts, FailureKind, Outage, State};
pub use sweep::{Standings, Sweep, Toll, TollCounts};
pub use what_if::{Pretend, pretend};

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
