//! Linux.

pub mod collect;
mod netlink;
pub mod processes;
pub mod sockets;
mod tree;
