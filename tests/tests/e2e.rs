//! End to end: real collector and agent processes over real TLS, on loopback.

#[path = "e2e/bad_input.rs"]
mod bad_input;
#[path = "e2e/certificates.rs"]
mod certificates;
#[path = "e2e/clocks.rs"]
mod clocks;
#[path = "e2e/cluster.rs"]
mod cluster;
#[path = "e2e/crashes.rs"]
mod crashes;
#[path = "e2e/description.rs"]
mod description;
#[path = "e2e/enrollment.rs"]
mod enrollment;
#[path = "e2e/foreign.rs"]
mod foreign;
#[path = "e2e/identity.rs"]
mod identity;
#[path = "e2e/inventory.rs"]
mod inventory;
#[path = "e2e/journey.rs"]
mod journey;
#[path = "e2e/living.rs"]
mod living;
#[path = "e2e/rest.rs"]
mod rest;
#[path = "e2e/second_machine.rs"]
mod second_machine;
#[path = "e2e/support.rs"]
mod support;
#[path = "e2e/tables.rs"]
mod tables;
