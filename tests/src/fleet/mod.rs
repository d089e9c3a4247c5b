//! A simulated fleet: machines that look like real ones, the same for the same seed.
//!
//! [`company`] is the table of who runs what where and needs what; [`machine`] makes the inventory sections of one machine;
//! [`wiring`] gives both ends of every connection matching flows; [`quirks`] spoils identities the way real fleets do;
//! [`agent`] lets a machine report over the real wire ([`wire`]), [`living`] again and again; [`declare`] says through the API what no agent can see.

pub mod agent;
pub mod company;
pub mod declare;
pub mod hardware;
pub mod living;
pub mod machine;
pub mod quirks;
pub mod software;
pub mod wire;
pub mod wiring;

pub use agent::{Exchanges, SavedAgent, SimulatedAgent};
pub use company::{Company, CompanyOptions};
pub use machine::Machine;
