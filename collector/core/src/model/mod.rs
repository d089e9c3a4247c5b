//! What the CMDB is made of. Not serializable: the store and the API have their own forms.

mod attribute;
mod change;
mod ci;
mod conflict;
mod document;
mod endpoint;
mod ids;
mod judgement;
mod merge;
mod need_group;
mod relationship;
mod small_set;
mod software;
mod stage;

pub use attribute::{Attribute, Claim, Source};
pub use change::{Change, ChangeSet, Put};
pub use ci::{Ci, IdentityKey, IdentityKeyKind, Lifecycle, RUNNING};
pub use conflict::{Conflict, ConflictKind, ConflictState};
pub use document::{AgentFacts, ImportFacts, ReceivedDocument, ReceivedSection};
pub use endpoint::{Endpoint, EndpointError};
pub use ids::IdSource;
pub use judgement::{Judge, Judgement, Purpose};
pub use merge::{Merge, MergeStep};
pub use need_group::{MinUp, NeedGroup, Pattern, Standing, Suggestion};
pub use relationship::{Evidence, Method, Relationship};
pub use small_set::SmallSet;
pub use software::{SoftwareEntry, SoftwareId, SoftwareSet};
pub use stage::{Requirement, Sighting, Stage, TRANSITIONS, Transition, transition};

/// The number of a commit, counting up by one for each in the whole installation. 0 is the empty store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);
