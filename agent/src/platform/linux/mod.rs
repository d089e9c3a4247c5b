//! Linux.

pub mod child;
pub(crate) mod clock;
pub mod collect;
mod netlink;
pub mod processes;
pub mod sockets;
mod tree;
