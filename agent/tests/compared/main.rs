//! Our inventory against what other tools say of the same machine at the same time: every fact of theirs is in ours, or
//! stands in a table with the reason why not. A fact that is in no table fails the test, so nothing is missed silently.

mod dpkg;
mod facter;
mod ip;
mod lsblk;
mod lshw;
mod machine;
mod rule;
mod ss;

use std::collections::{BTreeMap, BTreeSet};

use machine::{Machine, Namespace};
use rule::{Fact, Outcome, Rule};

/// Asks a tool twice, with our inventory between, and compares what it said both times: what moved in between is
/// nobody's mistake. Prints the differences and what is not covered.
#[track_caller]
fn compare(tool: &str, facts: impl Fn() -> Vec<Fact>, rules: &[Rule]) {
    compare_within(None, tool, facts, rules);
}

/// The same with our inventory made in a network namespace.
#[track_caller]
fn compare_within(namespace: Option<&Namespace>, tool: &str, facts: impl Fn() -> Vec<Fact>, rules: &[Rule]) {
    let before: BTreeSet<Fact> = facts().into_iter().collect();
    let machine = Machine::now(namespace);
    let after: BTreeSet<Fact> = facts().into_iter().collect();
    let stable: Vec<&Fact> = before.intersection(&after).collect();
    assert!(!stable.is_empty(), "{tool} says nothing");

    let (mut same, mut differences, mut unknown) = (0, Vec::new(), Vec::new());
    let mut not_covered: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for fact in &stable {
        let Some((rule, captured)) = rules.iter().find_map(|rule| Some((rule, rule.captures(fact)?))) else {
            unknown.push(fact.to_string());
            continue;
        };
        match rule.check(fact, &captured, &machine.sections) {
            Outcome::Same => same += 1,
            Outcome::Different(ours) => differences.push(format!("{fact}; {} has {ours}", rule.ours())),
            Outcome::NotCovered(reason) => *not_covered.entry((rule.theirs, reason)).or_default() += 1,
        }
    }
    println!("{tool}: {} facts, {same} the same, {} different", stable.len(), differences.len());
    for ((theirs, reason), count) in &not_covered {
        println!("  not covered: {theirs} ({count}): {reason}");
    }
    for difference in &differences {
        println!("  different: {difference}");
    }
    assert!(unknown.is_empty(), "{tool}: in no line of the table: {unknown:#?}");
    assert!(differences.is_empty(), "{tool}: {differences:#?}");
    assert!(same > 0, "{tool}: nothing was compared");
}

#[test]
fn facter_knows_nothing_that_we_do_not() {
    compare("facter", facter::facts, facter::RULES);
}

#[test]
fn lshw_knows_nothing_that_we_do_not() {
    compare("lshw", lshw::facts, lshw::RULES);
}

#[test]
fn ip_knows_nothing_that_we_do_not() {
    compare("ip", || ip::facts(None), ip::RULES);
}

#[test]
fn ip_knows_nothing_of_a_busy_network_that_we_do_not() {
    let namespace = Namespace::busy();
    compare_within(Some(&namespace), "ip in a namespace", || ip::facts(Some(&namespace)), ip::RULES);
}

#[test]
fn ss_knows_nothing_that_we_do_not() {
    let _sockets = ss::Sockets::open();
    compare("ss", ss::facts, ss::RULES);
}

#[test]
fn dpkg_query_knows_nothing_that_we_do_not() {
    compare("dpkg-query", dpkg::facts, dpkg::RULES);
}

#[test]
fn lsblk_knows_nothing_that_we_do_not() {
    compare("lsblk", lsblk::facts, lsblk::RULES);
}
