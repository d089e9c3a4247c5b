//! Relationship types. An edge always points from the dependent to what it depends on; outage travels against it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How badly the dependent needs what it depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hardness {
    /// Needed to serve.
    Hard,
    /// Serves worse without it.
    Soft,
    /// No outage travels along it; it is shown only.
    None,
}

/// A relationship type, with the words that people use for each direction.
#[derive(Clone, Copy, Debug)]
pub struct RelationshipTypeDefinition {
    /// Name in data and API.
    pub name: &'static str,
    /// Read from the dependent: "app01 **runs on** host7".
    pub forward: &'static str,
    /// Read from the dependency: "host7 **hosts** app01".
    pub reverse: &'static str,
    /// How failure travels from the dependency to the dependent, unless a declared group says otherwise.
    pub hardness: Hardness,
    /// What it means, in a sentence.
    pub meaning: &'static str,
}

/// Every relationship type that comes with Rollcall.
pub const RELATIONSHIP_TYPES: &[RelationshipTypeDefinition] = &[
    kind("runs_on", "runs on", "hosts", Hardness::Hard, "A service, container or virtual machine and the machine that executes it."),
    kind("connects_to", "connects to", "is used by", Hardness::Hard, "A service opens connections to another service."),
    kind("depends_on", "depends on", "is needed by", Hardness::Hard, "Declared by people: cannot do without."),
    kind("uses", "uses", "is used by", Hardness::Soft, "Declared by people: serves worse without."),
    kind("resolves_names_with", "resolves names with", "resolves names for", Hardness::Soft, "A machine and its name server."),
    kind("routes_through", "routes through", "is gateway of", Hardness::Soft, "A machine and its default gateway."),
    kind("meets", "has met", "was met by", Hardness::None, "A machine and a device without an agent on its local network."),
    kind("mounts", "mounts a file system of", "serves a file system to", Hardness::Hard, "A machine and the file server it mounts."),
    kind("part_of", "is provided by", "provides", Hardness::Hard, "A business or application service and what it is made of."),
    kind("balances_to", "balances to", "is balanced by", Hardness::Soft, "A load balancer and a member behind it."),
    kind("located_in", "is located in", "houses", Hardness::Hard, "Something and the room, rack or site that it needs to work."),
    kind("powered_by", "is powered by", "powers", Hardness::Hard, "Something and the circuit, power supply or other source that feeds it."),
    kind("owned_by", "is owned by", "owns", Hardness::None, "Something and the person, team or organization that answers for it."),
    kind("covered_by", "is covered by", "covers", Hardness::None, "Something and the contract, licence or certificate that covers it."),
];

const fn kind(
    name: &'static str,
    forward: &'static str,
    reverse: &'static str,
    hardness: Hardness,
    meaning: &'static str,
) -> RelationshipTypeDefinition {
    RelationshipTypeDefinition { name, forward, reverse, hardness, meaning }
}
