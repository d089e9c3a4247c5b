//! `GET /items`: the inventory as a list, filtered, sorted and paged by the collector; and adding an item by hand.

use std::collections::BTreeMap;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use rollcall_core::{Ci, Estate, Lifecycle};
use rollcall_shared::{Timestamp, catalogue};
use serde_json::Value;

use super::{
    fields::link,
    format::{When, count, counted},
    problem::{Problem, sentence},
    visitor::{Part, Shell, Visitor},
    words,
};
use crate::{
    query::{self, CiQuery, Condition, Filter},
    store::Role,
};

/// Items on one page.
const PAGE: usize = 50;

/// The class of all machines, which the navigation leads to.
const MACHINE: &str = "machine";

/// What can be typed into the filter, for the page's help.
const HELP: &[(&str, &str)] = &[
    ("web", "The word occurs in a name, a fact, an address or a piece of software."),
    ("owner:\"Team A\"", "The fact has this in it; quotation marks keep words together."),
    ("owner=\"\"", "The fact is exactly this; here: there is none."),
    ("os:debian", "Operating system and version. Short names: os, serial, address, mac, tag."),
    ("class:server", "Of this class or one that specialises it."),
    ("software:openssl", "Machines with this software."),
    ("seen:1d  quiet:7d", "The agent was, or was not, heard within that time."),
    ("agent:no", "Nothing reports it."),
    ("lifecycle:retired", "Retired items; lifecycle:any for all."),
    ("-class:laptop", "A minus turns any of these round."),
];

#[derive(Template)]
#[template(path = "items.html")]
struct Page {
    shell: Shell,
    filter: String,
    sort: String,
    problem: Option<String>,
    help: &'static [(&'static str, &'static str)],
    classes: Vec<Chip>,
    columns: Vec<Heading>,
    rows: Vec<Row>,
    total: String,
    shown: String,
    first: Option<String>,
    next: Option<String>,
    export: Option<String>,
}

struct Chip {
    label: String,
    number: String,
    href: String,
    current: bool,
}

struct Heading {
    label: &'static str,
    href: String,
    order: Option<&'static str>,
}

struct Row {
    href: String,
    name: String,
    on: String,
    class: String,
    system: String,
    address: String,
    owner: String,
    location: String,
    seen: Option<When>,
    retired: bool,
}

/// `GET /items`
pub(super) async fn show(visitor: Visitor) -> Response {
    let (filter, sort, after) = (visitor.query.get("q"), visitor.query.get("sort"), visitor.query.get("after"));
    let shell = visitor.shell(Part::Inventory);
    let page = {
        let estate = visitor.app.estate();
        let asked = CiQuery::parse(filter, sort, Some(after.to_owned()), Some(PAGE));
        let (listed, parsed, problem) = match asked {
            Ok(asked) => match query::list(&estate, &asked, visitor.now) {
                Ok(listed) => (Some(listed), asked.filter, None),
                Err(error) => (None, asked.filter, Some(sentence(&error.to_string()))),
            },
            Err(error) => (None, Filter::default(), Some(sentence(&error.to_string()))),
        };
        let (items, next, total) = listed.map_or((Vec::new(), None, 0), |page| (page.items, page.next, page.total));
        Page {
            shell,
            filter: filter.to_owned(),
            sort: sort.to_owned(),
            help: HELP,
            classes: chips(&estate, &parsed, sort),
            columns: headings(filter, sort),
            shown: if problem.is_some() { String::new() } else { shown(items.len(), total, !after.is_empty()) },
            rows: items.into_iter().map(|ci| row(&estate, ci, visitor.now)).collect(),
            total: count(total as u64),
            first: (!after.is_empty()).then(|| link("/items", [("q", filter), ("sort", sort)])),
            next: next.map(|next| link("/items", [("q", filter), ("sort", sort), ("after", next.as_str())])),
            export: problem.is_none().then(|| link("/items.csv", [("q", filter), ("sort", sort)])),
            problem,
        }
    };
    visitor.page(&page)
}

fn shown(rows: usize, total: usize, is_later_page: bool) -> String {
    let total_words = counted(total, "item", "items");
    if rows == total && !is_later_page { total_words } else { format!("{} of {total_words} on this page", count(rows as u64)) }
}

fn row(estate: &Estate, ci: &Ci, now: Timestamp) -> Row {
    let text = |name: &str| ci.text(name).unwrap_or_default().to_owned();
    Row {
        href: format!("/items/{}", ci.id),
        name: ci.name.clone(),
        on: words::host(estate, ci.id).to_owned(),
        class: words::class(&ci.class).to_owned(),
        system: match ci.text("operating_system") {
            Some(system) => system.to_owned(),
            None => text("version"),
        },
        address: first_of(ci.value("ip_addresses").or_else(|| ci.value("endpoints"))),
        owner: text("owner"),
        location: text("location"),
        seen: query::last_seen(estate, ci).map(|seen| When::new(seen, now)),
        retired: ci.lifecycle == Lifecycle::Retired,
    }
}

/// The first of a list, and how many more.
fn first_of(value: Option<&Value>) -> String {
    let members: Vec<&str> = value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    match members.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first, rest @ ..] => format!("{first} +{}", rest.len()),
    }
}

/// One link for each class that has items, with the rest of the filter kept.
fn chips(estate: &Estate, filter: &Filter, sort: &str) -> Vec<Chip> {
    let rest = Filter { terms: filter.terms.iter().filter(|term| !is_class(term)).cloned().collect() };
    let current = filter.class();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all = 0;
    for ci in estate.active_cis() {
        all += 1;
        *counts.entry(ci.class.as_str()).or_default() += 1;
    }
    let chip = |label: String, number: usize, class: Option<&str>| {
        let words = [rest.to_string(), class.map_or_else(String::new, |class| format!("class:{class}"))];
        let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
        Chip {
            label,
            number: count(number as u64),
            href: link("/items", [("q", words.join(" ").as_str()), ("sort", sort)]),
            current: class == current,
        }
    };
    // In the catalogue's order, which is the order in which people think of them.
    let classes = catalogue::CLASSES.iter().filter(|class| class.name != MACHINE);
    let classes = classes.filter_map(|class| Some((class, *counts.get(class.name)?)));
    let machines = estate.active_cis().filter(|ci| catalogue::class(&ci.class).is_some_and(|class| class.is_a(MACHINE))).count();
    [chip("Everything".to_owned(), all, None), chip(words::classes(MACHINE).to_owned(), machines, Some(MACHINE))]
        .into_iter()
        .chain(classes.map(|(class, number)| chip(class.plural.to_owned(), number, Some(class.name))))
        .collect()
}

fn is_class(term: &query::Term) -> bool {
    !term.negated && matches!(term.condition, Condition::Class(_))
}

fn headings(filter: &str, sort: &str) -> Vec<Heading> {
    const COLUMNS: [(&str, &str); 7] = [
        ("name", "Name"),
        ("class", "Class"),
        ("operating_system", "System"),
        ("ip_addresses", "Address"),
        ("owner", "Owner"),
        ("location", "Location"),
        ("last_seen", "Last heard"),
    ];
    let sorted = if sort.is_empty() { "name" } else { sort };
    let heading = |(name, label): (&str, &'static str)| {
        let ascending = sorted == name;
        let descending = sorted.strip_prefix('-') == Some(name);
        // Times are asked for newest first, everything else from A.
        let newest_first = name == "last_seen";
        let next = match (ascending, descending) {
            (true, _) => format!("-{name}"),
            (_, true) => name.to_owned(),
            _ if newest_first => format!("-{name}"),
            _ => name.to_owned(),
        };
        Heading {
            label,
            href: link("/items", [("q", filter), ("sort", next.as_str())]),
            order: if ascending { Some("ascending") } else { descending.then_some("descending") },
        }
    };
    COLUMNS.into_iter().map(heading).collect()
}

/// `GET /items/names?other=`: names for the field of a form that asks for an item.
pub(super) async fn names(visitor: Visitor) -> Response {
    #[derive(Template)]
    #[template(source = "{% for name in names %}<option value=\"{{ name.0 }}\">{{ name.1 }}</option>{% endfor %}", ext = "html")]
    struct Options {
        names: Vec<(String, String)>,
    }
    let wanted = visitor.query.get("other").to_lowercase();
    let mut names: Vec<(String, String)> = if wanted.is_empty() {
        Vec::new()
    } else {
        let estate = visitor.app.estate();
        let found = estate.active_cis().filter(|ci| ci.name.to_lowercase().contains(&wanted)).take(500);
        found.map(|ci| (ci.name.clone(), words::class(&ci.class).to_owned())).collect()
    };
    names.sort();
    names.truncate(20);
    match (Options { names }).render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => Problem::invalid(error.to_string()).into_response(),
    }
}

#[derive(Template)]
#[template(path = "item_new.html")]
struct NewPage {
    shell: Shell,
    classes: Vec<(&'static str, &'static str)>,
}

/// `GET /items/new`
pub(super) async fn new(visitor: Visitor) -> Result<Response, Problem> {
    visitor.require(Role::AssetManager)?;
    let mut classes: Vec<_> =
        catalogue::CLASSES.iter().filter(|class| class.parent.is_some()).map(|class| (class.name, class.label)).collect();
    classes.sort_by_key(|(name, label)| (*name != "business_service", *label));
    Ok(visitor.page(&NewPage { shell: visitor.shell(Part::Inventory), classes }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_turns_its_own_order_round_and_starts_times_at_the_newest() {
        let of = |sort: &str, label: &str| {
            let heading = headings("os:debian", sort).into_iter().find(|heading| heading.label == label).unwrap();
            (heading.href, heading.order)
        };
        assert_eq!(of("", "Name"), ("/items?q=os%3Adebian&sort=-name".to_owned(), Some("ascending")));
        assert_eq!(of("-name", "Name"), ("/items?q=os%3Adebian&sort=name".to_owned(), Some("descending")));
        assert_eq!(of("", "Last heard"), ("/items?q=os%3Adebian&sort=-last_seen".to_owned(), None));
    }

    #[test]
    fn the_first_of_a_list_says_how_many_more() {
        assert_eq!(first_of(Some(&serde_json::json!(["10.0.0.1", "10.0.0.2"]))), "10.0.0.1 +1");
        assert_eq!(first_of(None), "");
    }
}
