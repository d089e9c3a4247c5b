//! Linux.

pub mod collect;
pub mod processes;
pub mod sockets;
