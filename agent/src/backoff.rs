//! How long to wait before trying again.

use std::time::Duration;

use rand::RngExt;

/// Full jitter: a random time between nothing and a bound that doubles with every failure. What a whole fleet lost at the same
/// moment it does not ask for again at the same moment.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// Waits up to `first` after the first failure, never more than `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// It worked: start anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure; `asked` is what the collector asked for at least.
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let bound = self.first.saturating_mul(2u32.saturating_pow(self.failures.min(30))).min(self.most);
        self.failures = self.failures.saturating_add(1);
        let wait = bound.mul_f64(rand::rng().random_range(0.0..=1.0));
        match asked {
            // Spread also what the collector asks of everybody at once.
            Some(asked) => asked + asked.mul_f64(rand::rng().random_range(0.0..=0.25)).min(self.most),
            // Some wait always, so that a failure that comes at once does not spin.
            None => wait.max(self.first / 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_honour_the_collector() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        for failure in 0..40 {
            let bound = Duration::from_secs(60).min(Duration::from_secs(1 << failure.min(6)));
            let wait = backoff.next(None);
            assert!(wait <= bound && wait >= Duration::from_millis(100), "{failure}: {wait:?}");
        }
        let asked = backoff.next(Some(Duration::from_secs(100)));
        assert!(asked >= Duration::from_secs(100) && asked <= Duration::from_secs(125));
        backoff.reset();
        assert!(backoff.next(None) <= Duration::from_secs(1));
    }
}
