//! The filter language and what it means: what a person types into the search box, an API client puts into `filter=`, the
//! command line takes as arguments and a saved view keeps. All four read the same.
//!
//! A filter is conditions separated by spaces; all of them must hold. `OR` between conditions asks for either side, parentheses
//! group, and `-` (or `NOT`) before a condition turns it round. `"…"` keeps spaces together; inside quotes nothing is an
//! operator, and `\` takes the next character as it is.
//!
//! | condition | holds for |
//! | --- | --- |
//! | `web` | items in whose name, texts, addresses or software names it occurs |
//! | `class:server`, `class:server,laptop` | items of that class or one that specialises it; after a comma, another choice |
//! | `lifecycle:retired` | a state, or `any`; without this word: what is active. Or a stage: `planned`, `ordered`, `in_stock`, `in_use`, `in_repair`, `disposed` |
//! | `sighted:30d` | somebody stood before it within that time; `unsighted:52w`: nobody did |
//! | `agent:yes` | items that an agent reports; `no`; or the items of one agent by its id |
//! | `seen:7d`, `quiet:7d` | items whose agent was, or was not, heard within that time |
//! | `software:openssl`, `software=openssl` | machines with software in whose name it occurs, or that is called exactly that |
//! | `software:openssl<3.0.7` | machines with exactly that software in such a version |
//! | `id:…` | the item of that id |
//! | `owner:"Team A"`, `owner=ada` | items whose attribute has this in it, or is exactly it, ignoring case; of a list: one member does |
//! | `owner:*`, `owner=""` | items with, and without, that attribute |
//! | `owner!=ada` | the reverse of `owner=ada`: items without an owner too |
//! | `memory_bytes>=16GiB`, `cpu_cores:4..8` | a number compared: `<`, `<=`, `>`, `>=`, `=`, `!=`, or a range with both its ends |
//! | `valid_until<2026-12-31`, `changed:2026-11` | a time compared with a day, a month, a year or an RFC 3339 instant |
//! | `booted_at>30d`, `first_seen:7d` | a time's distance from now, past or future: more than, and at most |
//! | `valid_until<+30d`, `booted_at>-1w`, `valid_until<now` | a time compared with a point that is so far from now |
//! | `firmware_version<2.1` | a text compared as a version: digits as numbers, `~` before everything (as dpkg does) |
//! | `source:agent`, `source:import:sap` | items of which that source says anything |
//! | `owner.source:user` | items whose value for that attribute stands by that source's word |
//! | `pinned:yes`, `owner.pinned:yes` | items with a value, or this value, that a person pinned |
//! | `runs_on:(class:hypervisor)`, `hosts:db01` | items in that relationship to an item for which the inner filter holds |
//! | `needs:(…)`, `needed_by:(…)` | items that need such an item, or are needed by one, over any number of steps |
//! | `related:(…)` | items with any relationship to such an item |
//!
//! Fields: `name`, `first_seen`, `last_seen`, `changed` and every attribute. Short names: `os` (operating system and its version),
//! `serial`, `address` (`ip_addresses`), `mac` (`mac_addresses`), `tag` (`tags`). Relationships have the catalogue's name and the words
//! of both directions: `runs_on` and `hosts`, `connects_to` and `used_by`. `-` and `_` in a word are the same.

mod filter;
mod index;
mod matching;
mod operand;
mod parse;
mod relation;
#[cfg(test)]
mod tests;
mod text;
mod version;
mod words;

pub use filter::{Condition, Field, Filter, Term};
pub use index::SearchIndex;
pub use matching::{Matcher, last_seen};
pub use operand::{Comparison, Moment, Operand, Precision};
pub use parse::{FilterError, MAX_DEPTH, MAX_FILTER_BYTES, MAX_HOPS, MAX_TERMS};
pub use relation::{Hop, Relation};
pub use version::compare as compare_versions;
pub use words::field;
