//! What stores keep, as the collector has it.

mod agents;
mod answers;
mod commits;
mod graph_copies;
mod history;
mod imports;
mod inventories;
mod people;

pub use self::{
    agents::{AgentRecord, AgentState, EnrollAttempt, EnrollOutcome, IssuedCertificate, TokenRecord},
    answers::FrozenAnswer,
    commits::{AttributedChange, Batch, InstalledSoftware, Snapshot},
    graph_copies::GraphCopy,
    history::{CiVersion, Event},
    imports::{ImportId, ImportPart, ImportRecord, ImportState},
    inventories::{DocumentRecord, Inventory, SectionRecord, UnchangedCheckIn},
    people::{ApiTokenRecord, AuditEntry, Role, SessionRecord, UserRecord, ViewRecord},
};
