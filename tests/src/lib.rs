//! What tests, the fleet simulator and the benchmarks share.

pub mod bench;
pub mod contract;
pub mod estate;
pub mod fleet;
pub mod harness;
pub mod postgres;
