//! Being small whenever there is nothing to do: memory is given back as the last thing before the process sleeps.
//!
//! Given back any sooner, say at the end of an inventory, the little that is still done before sleeping (a log line, a file, a timer) maps
//! the program's pages again, and they stay for as long as the process sleeps. Only the runtime knows when that is, whatever it was
//! that woke it: a sample, a closed connection, or a timer of the HTTP client of which no loop of ours hears.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::Builder,
    sync::Notify,
    time::{Instant, sleep_until},
};

/// Watches a runtime of one thread go to sleep.
#[derive(Clone)]
pub struct Rest(Arc<Watched>);

struct Watched {
    state: Mutex<State>,
    /// The runtime would sleep before memory may be given back.
    early: Notify,
}

struct State {
    /// Something was done since memory was last given back.
    worked: bool,
    not_before: Instant,
    /// The runtime will be woken then.
    is_woken: bool,
}

impl Rest {
    /// At least this between two times: what is wanted again has to be mapped again, and looks for short connections, many in a second,
    /// shall not wait for that.
    pub const PAUSE: Duration = Duration::from_secs(1);

    /// Has the runtime that this builds call `give_back` before each sleep that follows work; where the last time was less than
    /// `pause` ago, and [`Self::keep`] runs, as soon as that has passed.
    pub fn watch(builder: &mut Builder, pause: Duration, give_back: impl Fn() + Send + Sync + 'static) -> Self {
        let state = State { worked: true, not_before: Instant::now(), is_woken: false };
        let watched = Arc::new(Watched { state: Mutex::new(state), early: Notify::new() });
        let (wakes, sleeps) = (Arc::clone(&watched), Arc::clone(&watched));
        builder.on_thread_unpark(move || wakes.state().worked = true);
        builder.on_thread_park(move || {
            let mut state = sleeps.state();
            if !state.worked {
                return;
            }
            let now = Instant::now();
            if now >= state.not_before {
                state.worked = false;
                state.not_before = now + pause;
                give_back();
            } else if !state.is_woken {
                state.is_woken = true;
                // The runtime sees that there is something to do after all, and does not sleep yet.
                sleeps.early.notify_one();
            }
        });
        Self(watched)
    }

    /// Much was done: the next sleep is not waited for until the pause is over.
    pub fn worked_much(&self) {
        self.0.state().not_before = Instant::now();
    }

    /// Wakes the runtime once the pause is over, where it went to sleep before. To be spawned on the runtime that is watched.
    pub async fn keep(self) {
        let Self(watched) = self;
        loop {
            watched.early.notified().await;
            let not_before = watched.state().not_before;
            sleep_until(not_before).await;
            watched.state().is_woken = false;
        }
    }
}

impl Watched {
    fn state(&self) -> MutexGuard<'_, State> {
        // A panic leaves nothing half done here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        thread,
    };

    use tokio::sync::{mpsc, oneshot};

    use super::*;

    /// Another thread's runtime that sleeps, except for work that it is given.
    struct Sleeper {
        rest: Rest,
        work: Option<mpsc::UnboundedSender<oneshot::Sender<()>>>,
        given_back: Arc<AtomicUsize>,
        thread: Option<thread::JoinHandle<()>>,
    }

    impl Sleeper {
        fn new(pause: Duration) -> Self {
            let (work, mut todo) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
            let given_back = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&given_back);
            let mut builder = Builder::new_current_thread();
            let rest = Rest::watch(&mut builder, pause, move || {
                counted.fetch_add(1, Relaxed);
            });
            let keeper = rest.clone();
            let thread = thread::spawn(move || {
                let runtime = builder.enable_all().build().unwrap();
                runtime.spawn(keeper.keep());
                // A task's work counts as much as what is waited for in the main loop.
                let task = runtime.spawn(async move {
                    while let Some(done) = todo.recv().await {
                        let _ = done.send(());
                    }
                });
                runtime.block_on(task).unwrap();
            });
            Self { rest, work: Some(work), given_back, thread: Some(thread) }
        }

        fn works(&self) {
            let (done, is_done) = oneshot::channel();
            self.work.as_ref().unwrap().send(done).unwrap();
            is_done.blocking_recv().unwrap();
        }

        fn given_back(&self) -> usize {
            self.given_back.load(Relaxed)
        }

        fn until_given_back(&self, times: usize) {
            let begun = std::time::Instant::now();
            while self.given_back() < times {
                assert!(begun.elapsed() < Duration::from_secs(10), "given back {} times, not {times}", self.given_back());
                thread::yield_now();
            }
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            self.work = None;
            let _ = self.thread.take().map(thread::JoinHandle::join);
        }
    }

    #[test]
    fn each_sleep_after_work_is_a_small_one() {
        const TIMES: usize = 50;
        // With a pause, the work comes before that is over, and the sleep becomes small later.
        for pause in [Duration::ZERO, Duration::from_millis(1)] {
            let sleeper = Sleeper::new(pause);
            sleeper.until_given_back(1);
            for _ in 0..TIMES {
                let before = sleeper.given_back();
                sleeper.works();
                sleeper.until_given_back(before + 1);
            }
            // Work that comes from another thread may wake twice.
            assert!(sleeper.given_back() <= 2 * TIMES + 2, "giving back is no work: {}", sleeper.given_back());
        }
    }

    #[test]
    fn much_to_do_does_not_give_back_each_time() {
        let sleeper = Sleeper::new(Duration::from_secs(3_600));
        sleeper.until_given_back(1);
        (0..1_000).for_each(|_| sleeper.works());
        assert_eq!(sleeper.given_back(), 1);
        sleeper.rest.worked_much();
        sleeper.works();
        sleeper.until_given_back(2);
    }
}
