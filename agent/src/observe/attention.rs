//! When to look between two samples.

use std::{os::fd::OwnedFd, time::Duration};

use tokio::{
    io::{Interest, unix::AsyncFd},
    time::{Instant, sleep_until},
};

use super::closed::Closed;

/// Waits for what a sampler has to attend to.
#[derive(Default)]
pub struct Attention {
    /// Readable when connections were closed.
    closed: Option<AsyncFd<OwnedFd>>,
    /// Closed connections are let be until then: on a busy machine some are closed at every moment.
    quiet_until: Option<Instant>,
}

/// Closed connections are read no more often than this.
const QUIET: Duration = Duration::from_millis(250);

impl Attention {
    /// Attends to these closed connections too. Only inside a runtime.
    pub fn new(closed: Option<&Closed>) -> Self {
        // What is unsound about it is a type that lets its descriptor go while it is watched, which OwnedFd does not. The way
        // that takes its place is an unsafe function, and there is none in this workspace.
        #[expect(deprecated, reason = "sound for OwnedFd, and the successor is unsafe to call")]
        let watch = |closed: &Closed| AsyncFd::with_interest(closed.handle()?, Interest::READABLE);
        let closed = closed.map(watch).transpose().unwrap_or_else(|error: std::io::Error| {
            tracing::info!(%error, "closed connections are read with each sample only");
            None
        });
        Self { closed, quiet_until: None }
    }

    /// Waits until connections were closed, or until `look_due`.
    pub async fn wait(&mut self, look_due: Option<std::time::Instant>) {
        let Self { closed, quiet_until } = self;
        let heard = async {
            let Some(closed) = closed else { return std::future::pending().await };
            if let Some(until) = *quiet_until {
                sleep_until(until).await;
            }
            match closed.readable().await {
                Ok(mut ready) => ready.clear_ready(),
                Err(_) => std::future::pending().await,
            }
        };
        let look = async {
            match look_due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = heard => *quiet_until = Some(Instant::now() + QUIET),
            () = look => {}
        }
    }
}
