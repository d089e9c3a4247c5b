//! Benchmarks. Every figure comes with a ratio to something measured in the same run, because this machine's speed means
//! nothing by itself.

pub mod agent;
pub mod graph;
pub mod impact;
pub mod import;
pub mod ingest;
pub mod search;

use std::time::Duration;

/// Sorted times, to read percentiles from.
pub struct Times(Vec<Duration>);

impl Times {
    /// These times.
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    /// The time that this share of all do not exceed; zero if there are none.
    pub fn percentile(&self, percent: usize) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0.get((self.0.len() * percent / 100).min(last)).copied().unwrap_or_default()
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        self.0.iter().sum()
    }

    /// `p50 / p95 / max` in milliseconds.
    pub fn describe(&self) -> String {
        let [p50, p95, max] = [50, 95, 100].map(|percent| self.percentile(percent).as_secs_f64() * 1e3);
        format!("{p50:9.3} / {p95:9.3} / {max:9.3} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let times = Times::new([3, 1, 2, 4].map(Duration::from_millis).to_vec());
        assert_eq!(times.percentile(50), Duration::from_millis(3));
        assert_eq!(times.percentile(100), Duration::from_millis(4));
        assert_eq!(Times::new(Vec::new()).percentile(50), Duration::ZERO);
    }
}
