//! What is counted, for `/metrics` in the OpenMetrics text format.

use std::fmt;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

/// Every metric of the collector.
pub struct Metrics {
    registry: Registry,
    /// Documents stored and applied.
    pub documents: Counter,
    /// Documents that were acknowledged again without effect.
    pub duplicate_documents: Counter,
    /// Requests and sections refused, by the kind of problem.
    pub refused: Family<Kind, Counter>,
    /// Check-ins by path: `unchanged`, `careful`.
    pub check_ins: Family<Kind, Counter>,
    /// Enrollments, renewals and recoveries by outcome.
    pub enrollments: Family<Kind, Counter>,
    /// Copies of an agent that were detected.
    pub copied_agents: Counter,
    /// Connections open now, by listener.
    pub connections: Family<Kind, Gauge>,
    /// TLS handshakes that failed, by listener.
    pub failed_handshakes: Family<Kind, Counter>,
    /// Jobs in one commit of the writer.
    pub batch_size: Histogram,
    /// Seconds that the store took for one commit.
    pub commit_seconds: Histogram,
    /// Configuration items in the estate, retired ones included.
    pub configuration_items: Gauge,
    /// The revision of the estate.
    pub revision: Gauge,
}

/// One label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Kind {
    kind: String,
}

impl From<&str> for Kind {
    fn from(kind: &str) -> Self {
        Self { kind: kind.to_owned() }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("rollcall");
        Self {
            documents: registered(&mut registry, "documents", "Inventory documents stored", Counter::default()),
            duplicate_documents: registered(&mut registry, "duplicate_documents", "Inventory documents sent again", Counter::default()),
            refused: registered(&mut registry, "refused", "Requests and sections refused, by kind of problem", Family::default()),
            check_ins: registered(&mut registry, "check_ins", "Check-ins, by path", Family::default()),
            enrollments: registered(&mut registry, "enrollments", "Enrollments, renewals and recoveries, by outcome", Family::default()),
            copied_agents: registered(&mut registry, "copied_agents", "Copies of an agent detected", Counter::default()),
            connections: registered(&mut registry, "connections", "Connections open now, by listener", Family::default()),
            failed_handshakes: registered(&mut registry, "failed_handshakes", "TLS handshakes that failed, by listener", Family::default()),
            batch_size: registered(&mut registry, "batch_jobs", "Jobs in one commit", Histogram::new(exponential_buckets(1.0, 2.0, 9))),
            commit_seconds: registered(
                &mut registry,
                "commit_seconds",
                "Time that the store took for one commit",
                Histogram::new(exponential_buckets(0.000_5, 2.0, 14)),
            ),
            configuration_items: registered(
                &mut registry,
                "configuration_items",
                "Configuration items, retired ones included",
                Gauge::default(),
            ),
            revision: registered(&mut registry, "revision", "Revision of the estate", Gauge::default()),
            registry,
        }
    }
}

impl Metrics {
    /// Everything, in the OpenMetrics text format.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn to_text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn registered<M: prometheus_client::registry::Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}
