//! What differs from system to system. Everything outside of this directory compiles everywhere.

mod linux;

pub use linux::{collect, processes, sockets};
