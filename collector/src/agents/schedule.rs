//! When an agent shall come again: at its own moment of each period, so that a fleet that was switched on together does
//! not come together.

use rollcall_shared::{AgentId, Timestamp};

/// Seconds until the next check-in: between half and one and a half periods, at this agent's moment of the period.
pub(super) fn next_check_in_seconds(agent: AgentId, now: Timestamp, period_seconds: u32) -> u32 {
    let period = u64::from(period_seconds.max(1));
    let hash = blake3::hash(agent.0.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    let moment = u64::from_le_bytes(first) % period;
    let in_period = u64::try_from(now.as_millis() / 1_000).unwrap_or(0) % period;
    let until = (moment + period - in_period) % period;
    let seconds = if until * 2 < period { until + period } else { until };
    u32::try_from(seconds.max(1)).unwrap_or(period_seconds)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_fleet_is_spread_evenly_and_each_agent_keeps_its_moment() {
        const PERIOD: u32 = 300;
        let mut moments = [0; 10];
        for number in 0..10_000 {
            let agent = AgentId(Uuid::from_u128(number));
            let now = Timestamp::from_millis(1_772_366_400_000);
            let wait = next_check_in_seconds(agent, now, PERIOD);
            assert!((PERIOD / 2..=PERIOD * 3 / 2).contains(&wait), "{wait}");
            moments[(wait % PERIOD / 30) as usize] += 1;
            let then = now.plus_millis(i64::from(wait) * 1_000);
            assert_eq!(next_check_in_seconds(agent, then, PERIOD), PERIOD);
        }
        assert!(moments.iter().all(|count| (800..1_200).contains(count)), "{moments:?}");
        assert_eq!(next_check_in_seconds(AgentId(Uuid::nil()), Timestamp::default(), 1), 1);
    }
}
