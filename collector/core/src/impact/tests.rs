use super::{
    testing::{ci, graph, outage},
    *,
};

/// The states of what is affected, as `a:down b:at_risk`, by name.
fn states(assessment: &Assessment<'_>) -> String {
    let mut states: Vec<String> = assessment.affected.iter().map(|one| format!("{}:{}", one.ci.name, one.state.as_str())).collect();
    states.sort();
    states.join(" ")
}

#[track_caller]
fn check(estate: &str, failing: &str, expected: &str) {
    let graph = graph(estate);
    assert_eq!(states(&outage(&graph, failing)), expected, "{failing} fails in\n{estate}");
}

#[test]
fn plain_needs_are_groups_of_one() {
    check("web -> app\napp -> db", "db", "app:down web:down");
    check("web ~> app\napp -> db", "db", "app:down web:degraded");
    check("web ~> app\napp ~> db", "db", "app:degraded");
    check("web -> app\napp ~> db", "db", "app:degraded web:degraded");
    check("web .. db\nweb owned_by db", "db", "");
    check("web ~> db\nweb -> db", "db", "web:down");
    check("web -> db", "db:degraded", "web:degraded");
    check("web ~> db", "db:degraded", "");
    check("web -> db", "db:maintenance", "web:down");
}

#[test]
fn so_many_of_a_group_must_serve() {
    check("app needs 2 of a b c", "a", "app:at_risk");
    check("app needs 1 of a b c", "a", "");
    check("app needs 1 of a b c", "a b", "app:at_risk");
    check("app needs 2 of a b c", "a b", "app:down");
    check("app needs 50% of a b c", "a", "app:at_risk");
    check("app needs 50% of a b c", "a b", "app:down");
    check("app needs 9 of a b", "a", "app:down");
    check("app likes 2 of a b c", "a b", "app:degraded");
    check("app likes 2 of a b c", "a", "app:at_risk");
    check("app needs 1 of a b", "a b", "app:down");
}

#[test]
fn degraded_members_serve_but_only_just() {
    check("app needs 1 of a b", "a:degraded", "");
    check("app needs 1 of a b", "a:degraded b:degraded", "app:degraded");
    check("app needs 1 of a b", "a:degraded b", "app:degraded");
    check("app likes 1 of a b", "a:degraded b", "app:at_risk");
    check("app needs 2 of a b c", "a:degraded", "");
}

#[test]
fn a_group_takes_its_members_out_of_the_plain_needs() {
    check("app -> a\napp -> b\napp needs 1 of a b", "a", "app:at_risk");
    check("app -> a\napp -> b\napp -> c\napp needs 1 of a b", "c", "app:down");
}

#[test]
fn at_risk_does_not_travel() {
    check("web -> app\napp needs 1 of a b", "a", "app:at_risk");
}

#[test]
fn circles_come_to_rest() {
    check("a -> b\nb -> c\nc -> a\nd ~> a", "b", "a:down c:down d:degraded");
    check("a needs 1 of b x\nb needs 1 of a y", "x", "a:at_risk");
    check("a needs 1 of b x\nb needs 1 of a y", "x y", "a:at_risk b:at_risk");
}

#[test]
fn what_is_gone_leaves_its_group() {
    check("app needs 1 of a b old?", "a", "app:at_risk");
    check("app needs 2 of a old? older?", "a", "app:down");
    check("app needs 1 of old?\nx", "x", "");
}

#[test]
fn a_mild_failure_is_made_worse_by_others() {
    let graph = graph("web -> app\napp -> db");
    let assessment = outage(&graph, "app:degraded db");
    assert_eq!(states(&assessment), "app:down web:down");
    assert_eq!(assessment.witness(ci("web")).len(), 2);
}
