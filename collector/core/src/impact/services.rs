//! How many business services stand on each CI, redundancy or not.

use rollcall_shared::CiId;

use super::bits::{Agenda, BLOCK, Bits};
use crate::graph::{Components, Graph, NodeNumber};

/// For every CI, how many business services have a chain of needs to it.
#[derive(Clone, Debug)]
pub struct ServicesOn {
    by_number: Vec<u32>,
}

impl ServicesOn {
    /// Exact, for all CIs at once: 512 services at a time, each as one bit that is handed down the components; only what a service
    /// reaches is looked at.
    pub fn of(graph: &Graph) -> Self {
        let services: Vec<NodeNumber> = graph.numbers().filter(|&number| graph.is_service_at(number)).collect();
        // What no service needs has none on it.
        let (components, condensation) = Components::condensed(graph, services.iter().copied());
        let mut count = vec![0_u32; components.count()];
        let mut sets = vec![Bits::default(); components.count()];
        let mut agenda = Agenda::new(components.count());
        for block in services.chunks(BLOCK) {
            let mut from = 0;
            for (at, &service) in block.iter().enumerate() {
                let component = components.of_number(service);
                sets[component as usize].add(&Bits::one(at));
                agenda.add(component as usize);
                from = from.max(component as usize);
            }
            // What a component needs has a lower number, so its set is complete when its turn comes.
            while let Some(component) = agenda.take_highest(from) {
                from = component;
                let set = std::mem::take(&mut sets[component]);
                count[component] += set.len();
                for &provider in condensation.providers(component as u32) {
                    sets[provider as usize].add(&set);
                    agenda.add(provider as usize);
                }
            }
        }
        let mut by_number: Vec<u32> = (0..graph.node_bound())
            .map(|at| components.find(NodeNumber::at(at)).map_or(0, |component| count[component as usize]))
            .collect();
        services.iter().for_each(|service| by_number[service.index()] -= 1);
        Self { by_number }
    }

    /// How many services stand on a CI, itself not counted; none on one that is not in the graph. The graph is the one that this is of.
    pub fn on(&self, graph: &Graph, ci: CiId) -> u32 {
        graph.number_of(ci).and_then(|number| self.by_number.get(number.index()).copied()).unwrap_or(0)
    }
}
