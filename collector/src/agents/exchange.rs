//! Judging counters: is this the next message of the one agent we know, a repetition, or somebody else's?

use rollcall_shared::wire::v1::Exchange;

/// No exchange yet.
pub(crate) const NEVER: Exchange = Exchange { counter: 0, nonce: uuid::Uuid::nil() };

/// What a counter that is ahead means, for the log.
pub(crate) const AHEAD: &str = "an agent's counter is ahead of what this collector remembers: was it restored from a backup?";

/// What an exchange is, given the last one that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// The next one.
    Next,
    /// The last one again: its answer was lost.
    Retry,
    /// From a copy of the agent's state, or a machine that was rolled back.
    Copy,
    /// Further ahead than it can be unless the collector was restored from a backup.
    Ahead,
}

/// Judges what was sent. `known` is the last answered exchange, with counter 0 before the first.
pub(crate) fn judge(known: &Exchange, sent: &Exchange) -> Judgement {
    match sent.counter {
        counter if Some(counter) == known.counter.checked_add(1) => Judgement::Next,
        counter if counter > known.counter => Judgement::Ahead,
        counter if counter == known.counter && sent.nonce == known.nonce && counter > 0 => Judgement::Retry,
        _ => Judgement::Copy,
    }
}

/// What a presented certificate generation is, given the one last used and the newest issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generation {
    /// The one in use.
    Current,
    /// Issued and now used for the first time: the ones before end with this.
    FirstUse,
    /// Replaced by one that was used since: a copy or a thief.
    Replaced,
    /// Newer than any that this collector remembers to have issued: it was restored from a backup.
    Unremembered,
}

/// Judges a generation. `used` is 0 before the first use, `issued` 0 before the first issue.
pub(crate) fn judge_generation(used: u64, issued: u64, presented: u64) -> Generation {
    match presented {
        _ if presented == used => Generation::Current,
        _ if presented < used => Generation::Replaced,
        _ if presented <= issued => Generation::FirstUse,
        _ => Generation::Unremembered,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn exchanges_are_judged_by_counter_and_nonce() {
        let exchange = |counter, nonce| Exchange { counter, nonce: Uuid::from_u128(nonce) };
        let never = exchange(0, 0);
        let fifth = exchange(5, 55);
        for (known, sent, judgement) in [
            (never, exchange(1, 11), Judgement::Next),
            (never, exchange(9, 99), Judgement::Ahead),
            (never, exchange(0, 0), Judgement::Copy),
            (fifth, exchange(6, 66), Judgement::Next),
            (fifth, exchange(6, 55), Judgement::Next),
            (fifth, exchange(5, 55), Judgement::Retry),
            (fifth, exchange(5, 56), Judgement::Copy),
            (fifth, exchange(4, 55), Judgement::Copy),
            (fifth, exchange(0, 55), Judgement::Copy),
            (fifth, exchange(7, 77), Judgement::Ahead),
            (exchange(u64::MAX, 1), exchange(u64::MAX, 2), Judgement::Copy),
            (exchange(u64::MAX, 1), exchange(0, 2), Judgement::Copy),
        ] {
            assert_eq!(judge(&known, &sent), judgement, "{known:?} {sent:?}");
        }
    }

    #[test]
    fn generations_end_when_a_newer_one_is_used() {
        for (used, issued, presented, judgement) in [
            (0, 1, 1, Generation::FirstUse),
            (1, 1, 1, Generation::Current),
            // Renewed, the answer was lost: the old one goes on.
            (1, 2, 1, Generation::Current),
            (1, 2, 2, Generation::FirstUse),
            (2, 2, 1, Generation::Replaced),
            (2, 2, 3, Generation::Unremembered),
            (0, 0, 1, Generation::Unremembered),
        ] {
            assert_eq!(judge_generation(used, issued, presented), judgement, "{used} {issued} {presented}");
        }
    }
}
