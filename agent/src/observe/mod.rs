//! Watching sockets: who listens, who talks to whom, and which end began it.

mod attention;
mod callers;
mod closed;
mod guarded;
mod holders;
mod hunts;
mod lookout;
mod networks;
mod sampler;
mod windows;

pub use attention::Attention;
pub use closed::Closed;
pub use guarded::Guarded;
pub use sampler::{Attribution, Listener, Sampler, Sighting, ephemeral_range};
pub use windows::{FlowKey, Windows};
