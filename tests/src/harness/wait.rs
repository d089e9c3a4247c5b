//! Waiting for a state, bounded.

use std::time::{Duration, Instant};

/// Longest that a state is waited for. Generous: a busy machine is slow, not wrong.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks `look` again and again until it finds something.
///
/// # Panics
/// If it has found nothing within [`PATIENCE`]; says what was waited for.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited {} s in vain: {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
