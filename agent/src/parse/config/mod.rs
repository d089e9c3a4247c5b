//! The languages that servers are configured in. What a value means is said where the daemon is known; here is only the grammar.

pub mod blocks;
pub mod connection;
pub mod flat;
pub mod ini;
pub mod php;
pub mod settings;
pub mod words;
pub mod yaml;
