//! One exchange of an agent at a time. Two copies of an agent that call in the same instant are told apart reliably only
//! if one of them is answered first.

use std::collections::{HashMap, VecDeque};

use rollcall_shared::{AgentId, wire::v1::Exchange};
use tokio::sync::{Mutex, MutexGuard};

/// Agents that share a lock wait for each other now and then; more shards, less often.
const SHARDS: usize = 1_024;
/// Answered exchanges that are remembered of each agent.
const REMEMBERED: usize = 4;

/// Everybody's turns.
pub(super) struct Turns {
    shards: Box<[Mutex<Recent>]>,
}

type Recent = HashMap<AgentId, VecDeque<Exchange>>;

/// One agent's turn.
pub(super) struct Turn<'a> {
    agent: AgentId,
    recent: MutexGuard<'a, Recent>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Turns {
    /// Waits until no other message of this agent is being answered.
    pub(super) async fn take(&self, agent: AgentId) -> Turn<'_> {
        let shard = (agent.0.as_u128() % SHARDS as u128) as usize;
        Turn { agent, recent: self.shards[shard].lock().await }
    }
}

impl Turn<'_> {
    /// Whether exactly this exchange was answered lately and did not come late before. A message that an agent has given up
    /// and sent again can still arrive, after newer ones: that makes nobody a copy. Who *keeps* sending it waits for its
    /// answer, while another who shares its state has gone on: that is a copy.
    pub(super) fn is_first_late_arrival(&mut self, exchange: &Exchange) -> bool {
        let Some(recent) = self.recent.get_mut(&self.agent) else { return false };
        let found = recent.iter().position(|answered| answered == exchange);
        found.is_some_and(|at| recent.remove(at).is_some())
    }

    /// Notes that an exchange is answered.
    pub(super) fn answered(&mut self, exchange: Exchange) {
        let recent = self.recent.entry(self.agent).or_default();
        if recent.back() != Some(&exchange) {
            if recent.len() == REMEMBERED {
                recent.pop_front();
            }
            recent.push_back(exchange);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn the_last_few_answered_exchanges_are_remembered() {
        let turns = Turns::default();
        let agent = AgentId(Uuid::from_u128(7));
        let exchange = |counter: u64| Exchange { counter, nonce: Uuid::from_u128(counter.into()) };
        let mut turn = turns.take(agent).await;
        (1..=6).for_each(|counter| turn.answered(exchange(counter)));
        let mut late = || (1..=7).map(|counter| turn.is_first_late_arrival(&exchange(counter))).collect::<Vec<_>>();
        assert_eq!(late(), [false, false, true, true, true, true, false]);
        assert_eq!(late(), [false; 7], "once each");
        turn.answered(exchange(8));
        assert!(!turn.is_first_late_arrival(&Exchange { counter: 8, nonce: Uuid::nil() }));
    }
}
