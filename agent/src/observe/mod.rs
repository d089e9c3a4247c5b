//! Watching sockets: who listens, who talks to whom, and which end began it.

mod sampler;
mod windows;

pub use sampler::{Attribution, Listener, Sampler, Sighting, ephemeral_range};
pub use windows::{FlowKey, Windows};
