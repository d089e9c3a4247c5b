//! What follows from the estate without changing it: how sure a dependency is, what people said against what agents see, and what an
//! application is made of. What changes the estate is planned in `reconcile`.

mod application;
mod confidence;
mod kind;
mod lonely;
mod met;
mod reports;

pub(crate) use application::{ASSEMBLED_FROM, FOLLOWED_BY, PRUNED, assembly, is_followed_only, parts};
pub use application::{Boundary, Drift, Member, Proposal, drift, propose};
pub use confidence::{Confidence, Level, Scale, Silence};
pub use kind::listening_at;
pub(crate) use kind::{hosting_machine, kind_of};
pub use lonely::{isolated, orphans};
pub(crate) use met::met_at;
pub use met::{DEVICE, last_met, meetings};
pub use reports::{declared_never_observed, observed_never_declared};
