use super::{
    testing::{DAY, NOW, ci, graph, outage},
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

#[test]
fn evidence_is_judged_by_what_it_carries() {
    let graph = graph("a -> x stale\nb -> x one-ended\nc -> x\nd -> a\ne -> c stale\ne -> c");
    let assessment = outage(&graph, "x");
    let flags: Vec<(&str, bool, bool)> =
        assessment.affected.iter().map(|one| (&*one.ci.name, one.rests_on_stale, one.rests_on_one_ended)).collect();
    let expected = [("a", true, false), ("b", false, true), ("c", false, false), ("d", true, false), ("e", false, false)];
    assert_eq!(flags, expected);
    assert_eq!(assessment.evidence, EvidenceShare { harmed: 5, stale: 2, one_ended: 1 });
    assert_eq!(assessment.certainty, Certainty::Partly);
    let heard_since = assess(&graph, &Outage::down([ci("x")]), Basis::new(NOW, |_| Some(NOW)));
    assert_eq!((heard_since.evidence.stale, heard_since.certainty), (0, Certainty::Known));
    let patient = assess(&graph, &Outage::down([ci("x")]), Basis::new(NOW, |_| None).observed_stale_after(31 * DAY));
    assert_eq!(patient.certainty, Certainty::Known);
}

#[test]
fn a_witness_prefers_better_evidence() {
    let graph = graph("top -> a\ntop -> b\na -> x stale\nb -> x\ntop2 -> a\ntop2 -> b stale\nc needs 1 of top top2");
    let assessment = outage(&graph, "x");
    let path = |name| {
        assessment
            .witness(ci(name))
            .iter()
            .map(|hop| format!("{}{}", hop.provider.name, if hop.stale { "!" } else { "" }))
            .collect::<Vec<_>>()
    };
    assert_eq!(path("top"), ["b", "x"], "one stale step at the end is worse than none");
    assert_eq!(path("top2"), ["a", "x!"]);
    assert_eq!(path("b"), ["x"]);
    let hop = &assessment.witness(ci("c"))[0];
    assert_eq!((hop.group.map(|group| &*group.name), hop.edges[0].kind), (Some("replicas"), "need_group"));
}

#[test]
fn reasons_read_well() {
    let graph = graph("a -> x\nb ~> x\nc needs 2 of x y z\nd needs 1 of x y\nd2 needs 2 of x y\ne -> a\ne -> d2\nf needs 1 of x b");
    let assessment = outage(&graph, "x");
    for (name, reason) in [
        ("a", "connects to x, which is down"),
        ("b", "uses x, which is down"),
        ("c", "needs 2 of 3 of replicas: 2 serve, none to spare"),
        ("d", "needs 1 of 2 of replicas: 1 serves, none to spare"),
        ("d2", "needs 2 of 2 of replicas: 1 serves"),
        ("e", "connects to a, which is down and connects to d2, which is down"),
        ("f", "needs 1 of 2 of replicas: 1 serves, 1 of them degraded"),
        ("y", ""),
    ] {
        assert_eq!(assessment.reason(ci(name)), reason, "{name}");
    }
}

#[test]
fn people_are_told_once() {
    let graph = graph("a -> x\nb -> x\na owned_by ada\nb owned_by ada\nx owned_by ops\nb owned_by team\nc owned_by nobody");
    let assessment = outage(&graph, "x");
    let told: Vec<String> = assessment
        .people()
        .iter()
        .map(|contact| {
            let Who::Ci(_, name) = contact.who else { panic!("by relationship") };
            format!("{name}:{}", contact.cis.iter().map(|ci| &*ci.name).collect::<String>())
        })
        .collect();
    assert_eq!(told, ["ada:ab", "ops:x", "team:b"]);
}

#[test]
fn blast_radius_ranks_by_services_first() {
    let graph = graph("service shop\nshop ~> web\nweb -> db\na -> big\nb -> big\nc -> big\nd -> db2\nshop needs 1 of db2 db3");
    let ranking = rank(&graph, [ci("big"), ci("web"), ci("db"), ci("db2"), ci("nobody")]);
    let order: Vec<(&str, usize, Counts)> =
        ranking.iter().map(|blast| (&*blast.ci.name, blast.services_degraded.len(), blast.counts)).collect();
    let counts = |down, degraded, at_risk| Counts { down, degraded, at_risk };
    assert_eq!(order, [("db", 1, counts(1, 1, 0)), ("web", 1, counts(0, 1, 0)), ("big", 0, counts(3, 0, 0)), ("db2", 0, counts(1, 0, 1))]);
}

#[test]
fn single_points_are_decided_with_redundancy_and_explained() {
    let graph =
        graph("shop -> web\nweb needs 1 of db1 db2\ndb1 -> disk\ndb2 -> disk\ndisk -> power\nweb ~> cache\ncache -> power\nother -> x");
    let found = single_points(&graph, ci("shop"), usize::MAX).unwrap();
    let points: Vec<(&str, &str, u32, Option<&str>)> = found
        .points
        .iter()
        .map(|point| (&*point.ci.name, point.state.as_str(), point.hops, point.behind.map(|node| &*node.name)))
        .collect();
    let expected = [
        ("web", "down", 1, None),
        ("disk", "down", 3, Some("web")),
        ("power", "down", 3, Some("web")),
        ("cache", "degraded", 2, Some("web")),
    ];
    assert_eq!(points, expected);
    assert_eq!((found.tried, found.needed), (6, 6));
    assert!(single_points(&graph, ci("shop"), 3).unwrap().tried < 6, "a budget ends it and says so");
    let pair = pairs(&graph, ci("shop"), usize::MAX).unwrap();
    let names: Vec<(&str, &str)> = pair.pairs.iter().map(|pair| (&*pair.first.name, &*pair.second.name)).collect();
    assert_eq!(names, [("db1", "db2")]);
    assert!(!pairs(&graph, ci("shop"), 3).unwrap().complete);
}

#[test]
fn a_picture_shows_layers_and_counts_what_it_leaves_out() {
    let graph = graph("a -> x\nb -> x\nc -> a\nd -> b\ne needs 1 of x y\nz -> e");
    let assessment = outage(&graph, "x");
    let full = view::outage(&assessment, view::Limits::default());
    let places: Vec<(&str, u32, f64)> = full.nodes.iter().map(|node| (&*node.ci.name, node.layer, node.x)).collect();
    assert_eq!(places, [("x", 0, 0.0), ("a", 1, -1.0), ("b", 1, 0.0), ("e", 1, 1.0), ("c", 2, -0.5), ("d", 2, 0.5)]);
    assert_eq!((full.edges.len(), full.hidden.iter().sum::<usize>(), full.hidden_edges), (5, 0, 0));
    assert!(full.edges.iter().all(|edge| edge.is_reason));
    assert_eq!(full.nodes[3].role, view::Role::Absorbed);

    let small = view::outage(&assessment, view::Limits { nodes: 3, edges: 1 });
    assert_eq!((small.nodes.len(), small.hidden.clone(), small.edges.len()), (3, vec![0, 1, 2], 1));

    let needs = graph.needs(ci("c")).unwrap();
    let needs = view::needs(&graph, &needs, view::Limits::default());
    let layers: Vec<(&str, u32)> = needs.nodes.iter().map(|node| (&*node.ci.name, node.layer)).collect();
    assert_eq!((layers, needs.edges.len()), (vec![("c", 0), ("a", 1), ("x", 2)], 2));
}

#[test]
fn crossing_edges_are_untangled() {
    let graph = graph("c -> a\nd -> b\na2 -> d\nb2 -> c\na -> x\nb -> x");
    let picture = view::outage(&outage(&graph, "x"), view::Limits::default());
    let order: String = picture.nodes.iter().map(|node| format!("{} ", node.ci.name)).collect();
    assert_eq!(order, "x a b c d b2 a2 ");
}

#[test]
fn two_answers_are_compared() {
    let before = graph("a -> x\nb needs 1 of x y\nc -> x\nold -> x\nsame -> x");
    let after = graph("a ~> x\nb -> x\nb -> y\nc\nnew -> x\nsame -> x");
    let differences = compare(&outage(&before, "x"), &outage(&after, "x"));
    let found: Vec<String> = differences
        .iter()
        .map(|one| format!("{} {} {}", one.ci.name, one.before.map_or("-", State::as_str), one.after.map_or("-", State::as_str)))
        .collect();
    assert_eq!(found, ["new - down", "b at_risk down", "a down degraded", "c down ok", "old down -"]);
}

#[test]
fn what_does_not_run_is_down_already() {
    let already = |estate: &str, failing: &str| {
        let graph = graph(estate);
        let assessment = outage(&graph, failing);
        let mut already: Vec<String> = assessment.already.iter().map(|one| format!("{}:{}", one.ci.name, one.state.as_str())).collect();
        already.sort();
        (states(&assessment), already.join(" "))
    };
    let is = |affected: &str, already: &str| (affected.to_owned(), already.to_owned());
    // Redundancy counts living members only.
    assert_eq!(already("app needs 1 of a b\nstopped b", "a"), is("app:down", "b:down"));
    assert_eq!(already("app needs 1 of a b c\nstopped b", "a"), is("app:at_risk", "b:down"));
    // Whom it took down is no news.
    assert_eq!(already("web -> app\napp -> a\napp -> db\nstopped a", "db"), is("", "app:down web:down"));
    assert_eq!(already("app -> db\nstopped db", "db"), is("", "app:down db:down"));
    // Degraded already, and worse now.
    assert_eq!(already("app ~> cache\napp -> db\nweb -> app\nstopped cache", "db"), is("app:down web:down", ""));
    // What has no part in it is not mentioned.
    assert_eq!(already("app -> db\nother -> x\nstopped x", "db"), is("app:down", ""));
    assert_eq!(already("app -> db\nstopped app", "db:degraded"), is("", "app:down"));

    let graph = graph("app needs 1 of a b\nweb -> app\nstopped b\nshop -> dead\nshop -> a\nstopped dead");
    let assessment = outage(&graph, "a");
    assert_eq!(assessment.witness(ci("web")).iter().map(|hop| &*hop.provider.name).collect::<Vec<_>>(), ["app", "a"]);
    assert_eq!(assessment.verdict(), "If a is down, 2 configuration items go down; b and shop are down already.");
    assert_eq!(
        outage(&graph, "dead").verdict(),
        "If dead is down, nothing more is affected than already is; dead and shop are down already."
    );
}
