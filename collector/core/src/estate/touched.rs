//! What was written lately, so that what is derived from the estate follows it without being made anew.

use std::collections::VecDeque;

use rollcall_shared::CiId;

/// Writes that are remembered. Whoever is further behind looks at everything.
const REMEMBERED: usize = 100_000;

/// Whose dependencies a write may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// The CI itself: what it is, whether it exists, into which it was merged.
    Ci(CiId),
    /// What this CI needs.
    Needs(CiId),
}

/// The last writes, numbered.
#[derive(Clone, Debug, Default)]
pub(super) struct TouchLog {
    written: u64,
    last: VecDeque<Touched>,
}

impl TouchLog {
    pub(super) fn note(&mut self, touched: Touched) {
        if self.last.len() == REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(touched);
        self.written += 1;
    }

    pub(super) fn mark(&self) -> u64 {
        self.written
    }

    pub(super) fn since(&self, mark: u64) -> Option<impl Iterator<Item = Touched>> {
        let missed = usize::try_from(self.written.checked_sub(mark)?).ok()?;
        let known = self.last.len().checked_sub(missed)?;
        Some(self.last.range(known..).copied())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_was_missed_is_told_as_far_back_as_it_is_known() {
        let touched = |number: usize| Touched::Ci(CiId(Uuid::from_u128(number as u128)));
        let mut log = TouchLog::default();
        (0..REMEMBERED + 10).for_each(|number| log.note(touched(number)));
        let mark = log.mark();
        assert_eq!(log.since(mark).map(Iterator::count), Some(0));
        assert_eq!(log.since(mark - 2).map(Iterator::collect), Some(vec![touched(REMEMBERED + 8), touched(REMEMBERED + 9)]));
        assert_eq!(log.since(10).map(Iterator::count), Some(REMEMBERED));
        assert!(log.since(9).is_none() && log.since(mark + 1).is_none());
    }
}
