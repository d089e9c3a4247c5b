//! A fleet of which the truth is known, told by five sources that disagree: how many machines are merged wrongly, how many are missed?
//!
//! Agents, an inventory program of the GLPI kind, a register that is imported, clients of the API, and people's entries report the same
//! machines over a quarter of a year in which boards, adapters and disks are replaced, systems installed anew, guests cloned and moved, names
//! changed and used again. Everything runs through the real reconciliation.
//!
//! `tests/truth [--machines N] [--seeds N]` prints the figures; the test runs a smaller fleet.

mod dice;
mod life;
mod machines;
mod score;
mod sources;

use score::Score;

/// Wrong merges that are tolerated.
const MOST_WRONG: usize = 0;
/// Missed merges that are tolerated, in a thousand that had to happen.
const MOST_MISSED_PER_MILLE: f64 = 5.0;

fn setting(name: &str, default: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a test's size is chosen by who runs it")]
    let value = std::env::var(name);
    value.ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_is_merged_wrongly_and_next_to_nothing_missed() {
    let machines = usize::try_from(setting("ROLLCALL_TRUTH_MACHINES", 2_000)).unwrap_or(2_000);
    let seeds = setting("ROLLCALL_TRUTH_SEEDS", 2);
    let mut bad = Vec::new();
    for seed in 1..=seeds {
        let score = Score::of(&life::live(machines, seed));
        println!("seed {seed}: {score}");
        if score.wrong > MOST_WRONG || score.missed_per_mille() > MOST_MISSED_PER_MILLE {
            bad.push(seed);
        }
    }
    assert!(bad.is_empty(), "more than {MOST_WRONG} wrong merges or {MOST_MISSED_PER_MILLE} in a thousand missed with seeds {bad:?}");
}
