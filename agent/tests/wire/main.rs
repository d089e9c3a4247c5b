//! The agent against a collector that answers as it is told, over real TLS on loopback.

mod collector;
mod commands;
mod doctor;
mod enrolling;
mod reporting;
mod routes;
mod separation;
mod trust;
mod units;
