//! `GET /items`: the inventory as a list, filtered, sorted and paged by the collector; and adding an item by hand.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use rollcall_core::{Catalogue, Ci, Estate, Lifecycle, catalogue::AttributeKind};
use rollcall_shared::Timestamp;
use serde_json::Value;

use super::{
    fields::link,
    format::{self, When, count, counted},
    item::inputs::{Input, editable},
    problem::{Problem, sentence},
    visitor::{Part, Shell, Visitor},
    words,
};
use crate::{
    app::App,
    query::{self, CiQuery, Column, Condition, Filter},
    store::Role,
    views,
};

/// Items on one page.
const PAGE: usize = 50;

/// The class of all machines, which the navigation leads to.
const MACHINE: &str = "machine";

/// What can be typed into the filter, for the page's help.
const HELP: &[(&str, &str)] = &[
    ("web", "The word occurs in a name, a fact, an address or a piece of software."),
    ("owner:\"Team A\"", "The fact has this in it; quotation marks keep words together."),
    ("owner=ada  owner!=ada", "The fact is, or is not, exactly this."),
    ("owner:*  owner=\"\"", "There is such a fact; there is none."),
    ("os:debian", "Operating system and version. Short names: os, serial, address, mac, tag."),
    ("class:server,laptop", "Of one of these classes or of one that specialises it. A comma means or."),
    ("memory_bytes>=16GiB  cpu_cores:4..8", "Numbers compare; .. is a range with both its ends."),
    ("valid_until<2026-12-31  valid_until<+30d", "Times compare with a day, month or year, and with a time from now."),
    ("first_seen:7d  changed>30d", "At most, and more than, so long ago."),
    ("software:openssl<3.0.7", "Machines with this software, in a version before that one."),
    ("seen:1d  quiet:7d  agent:no", "The agent was, or was not, heard within that time; nothing reports it."),
    ("source:import:sap  owner.source:user  pinned:yes", "Who says something of it; whose word a fact is; what people pinned."),
    (
        "hosts:(class:database needed_by:(criticality=critical))",
        "Related items for which the inner filter holds; in the words of each relationship.",
    ),
    ("needs:db01  needed_by:(class:business_service)", "Needs such an item, or is needed by one, over any number of steps."),
    ("lifecycle:retired", "Retired items; lifecycle:any for all."),
    ("(class:laptop OR quiet:7d) -owner:ada", "OR and parentheses group; a minus turns round what follows."),
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
    /// Names of the columns, separated by commas, where they are not the usual ones.
    columns_chosen: String,
    choices: Vec<ColumnChoice>,
    view: Option<OpenView>,
    columns: Vec<Heading>,
    rows: Vec<Row>,
    total: String,
    shown: String,
    first: Option<String>,
    next: Option<String>,
    exports: Vec<(&'static str, String)>,
}

struct Chip {
    label: String,
    number: String,
    href: String,
    current: bool,
}

/// A column that can be shown.
struct ColumnChoice {
    name: String,
    label: String,
    shown: bool,
}

/// The saved view that was opened.
struct OpenView {
    id: String,
    name: String,
    shared: bool,
    changeable: bool,
    /// Whether the list has been filtered, sorted or given columns otherwise since.
    changed: bool,
}

struct Heading {
    label: String,
    href: String,
    order: Option<&'static str>,
}

struct Row {
    href: String,
    name: String,
    on: String,
    retired: bool,
    cells: Vec<Cell>,
}

struct Cell {
    text: String,
    when: Option<When>,
    class: &'static str,
}

/// Columns of a list for which nobody chose any.
const USUAL: [&str; 8] = ["name", "class", "operating_system", "ip_addresses", "owner", "location", "rank", "last_seen"];

/// What runs no agent.
const UNMANAGED: &str = "unmanaged_host";

/// Columns before those that everything has, of a class that people defined.
const MOST_OWN: usize = 6;

/// The same of a list of what runs no agent: who it may be, by what others see of it.
const USUAL_OF_UNMANAGED: [&str; 9] =
    ["name", "ip_addresses", "mac_addresses", "adapter_maker", "announced_model", "last_seen", "announced_services", "owner", "location"];

/// `GET /items`
pub(super) async fn show(visitor: Visitor) -> Response {
    let (filter, sort, after) = (visitor.query.get("q"), visitor.query.get("sort"), visitor.query.get("after"));
    let catalogue = Arc::clone(visitor.app.estate().catalogue());
    // Links carry one list, the form of check boxes each name.
    let chosen = visitor.query.get("columns").split(',').chain(visitor.query.all("column")).filter(|name| !name.is_empty());
    let (chosen, columns_problem) = match views::columns(&catalogue, chosen) {
        Ok(chosen) => (chosen, None),
        Err(problem) => (Vec::new(), Some(sentence(&problem))),
    };
    let chosen: Vec<String> = chosen.iter().map(ToString::to_string).filter(|name| name != "name").collect();
    let chosen = if chosen.is_empty() { chosen } else { [vec!["name".to_owned()], chosen].concat() };
    let columns: Vec<Column> = match chosen.as_slice() {
        [] => usual(&catalogue, filter).iter().filter_map(|name| Column::parse(&catalogue, name)).collect(),
        chosen => chosen.iter().filter_map(|name| Column::parse(&catalogue, name)).collect(),
    };
    let shell = visitor.shell(Part::Inventory);
    let view = visitor.query.get("view");
    let opened = visitor.view(view).map(|known| OpenView {
        id: known.id.to_string(),
        name: known.name.clone(),
        shared: known.shared,
        changeable: views::may_change(&visitor.actor, known),
        changed: known.filter != filter || known.sort != sort || known.columns != chosen,
    });
    let columns_chosen = chosen.join(",");
    let state = State { filter, sort, columns: &columns_chosen, view };
    let page = {
        let estate = visitor.app.estate();
        let asked = CiQuery::parse(&catalogue, filter, sort, Some(after.to_owned()), Some(PAGE));
        let ordered = asked.as_ref().map_or_else(|_| sort.to_owned(), |asked| asked.sort.to_string());
        let (listed, parsed, problem) = match asked {
            Ok(asked) => {
                let asked = CiQuery { ranking: visitor.app.blast_radii.newest(), ..asked };
                match visitor.app.search.list(&estate, &asked, visitor.now) {
                    Ok(listed) => (Some(listed), asked.filter, columns_problem),
                    Err(error) => (None, asked.filter, Some(sentence(&error.to_string()))),
                }
            }
            Err(error) => (None, Filter::default(), Some(sentence(&error.to_string()))),
        };
        let (items, next, total) = listed.map_or((Vec::new(), None, 0), |page| (page.items, page.next, page.total));
        Page {
            shell,
            filter: filter.to_owned(),
            sort: sort.to_owned(),
            help: HELP,
            classes: chips(&catalogue, visitor.app.search.count_by_class(&estate), &parsed, &state),
            columns: headings(&catalogue, &columns, &ordered, &state),
            choices: choices(&catalogue, &columns),
            view: opened,
            shown: if problem.is_some() { String::new() } else { shown(items.len(), total, !after.is_empty()) },
            rows: items.into_iter().map(|ci| row(&visitor.app, &estate, ci, &columns, chosen.is_empty(), visitor.now)).collect(),
            total: count(total as u64),
            first: (!after.is_empty()).then(|| state.link(&[])),
            next: next.map(|next| state.link(&[("after", next.as_str())])),
            exports: if problem.is_none() { exports(filter, sort, &columns_chosen) } else { Vec::new() },
            problem,
            columns_chosen: columns_chosen.clone(),
        }
    };
    visitor.page(&page)
}

/// What the address of a list says.
struct State<'a> {
    filter: &'a str,
    sort: &'a str,
    columns: &'a str,
    view: &'a str,
}

impl State<'_> {
    /// The same list, with these instead.
    fn link(&self, instead: &[(&str, &str)]) -> String {
        let all = [("q", self.filter), ("sort", self.sort), ("columns", self.columns), ("view", self.view), ("after", "")];
        link("/items", all.map(|(name, value)| (name, instead.iter().find(|(other, _)| *other == name).map_or(value, |(_, value)| *value))))
    }
}

/// The columns of a list for which nobody chose any.
fn usual(catalogue: &Catalogue, filter: &str) -> Vec<String> {
    let listed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let filter = Filter::parse(catalogue, filter).unwrap_or_default();
    match filter.class() {
        Some(UNMANAGED) => listed(&USUAL_OF_UNMANAGED),
        Some(class) if catalogue.class(class).is_some_and(|class| !class.built_in) => usual_of_own(catalogue, class),
        _ => listed(&USUAL),
    }
}

/// Those of a class that people defined: what its items are recognised by, what else they are asked for, and what everything has.
fn usual_of_own(catalogue: &Catalogue, class: &str) -> Vec<String> {
    let identity = catalogue.lineage(class).map(|class| &class.identity).find(|sets| !sets.is_empty());
    let identity = identity.into_iter().flatten().flatten();
    let own = catalogue.attributes(class).map(|(_, attribute)| attribute).filter(|attribute| !attribute.built_in);
    let mut own: Vec<_> = own.collect();
    own.sort_by_key(|attribute| !attribute.required);
    let has_children = catalogue.classes().any(|child| child.parent.as_deref() == Some(class));
    let is_machine = catalogue.is_a(class, MACHINE);
    let first = ["name"].into_iter().chain(has_children.then_some("class"));
    let known = identity.map(String::as_str).chain(own.into_iter().map(|attribute| attribute.name.as_str()));
    let machine = ["operating_system", "ip_addresses"].into_iter().filter(|_| is_machine);
    let last = ["owner", "location", "rank"].into_iter().chain(is_machine.then_some("last_seen"));
    let mut columns: Vec<String> = Vec::new();
    for (name, most) in first.chain(known).map(|name| (name, MOST_OWN)).chain(machine.chain(last).map(|name| (name, usize::MAX))) {
        if columns.len() < most && !columns.iter().any(|known| known == name) {
            columns.push(name.to_owned());
        }
    }
    columns
}

/// Every column that can be shown, the shown ones marked.
fn choices(catalogue: &Catalogue, columns: &[Column]) -> Vec<ColumnChoice> {
    let fixed = [Column::Class, Column::Lifecycle, Column::FirstSeen, Column::LastSeen, Column::Changed, Column::Rank];
    let mut all: Vec<Column> = Vec::new();
    let attributes = catalogue.attribute_names().map(|name| Column::Attribute(name.to_owned()));
    for column in fixed.into_iter().chain(attributes) {
        if !all.contains(&column) {
            all.push(column);
        }
    }
    all.into_iter()
        .map(|column| ColumnChoice { name: column.to_string(), label: label(catalogue, &column), shown: columns.contains(&column) })
        .collect()
}

/// A column's name for people.
fn label(catalogue: &Catalogue, column: &Column) -> String {
    match column {
        Column::Relevance => "Relevance".to_owned(),
        Column::Name => "Name".to_owned(),
        Column::Class => "Class".to_owned(),
        Column::Lifecycle => "Lifecycle".to_owned(),
        Column::FirstSeen => "First seen".to_owned(),
        Column::LastSeen => "Last heard".to_owned(),
        Column::Changed => "Changed".to_owned(),
        Column::Rank => "Failure harms".to_owned(),
        Column::Attribute(name) => catalogue.any_attribute(name).map_or_else(|| name.clone(), |attribute| attribute.label.clone()),
    }
}

/// The list as a file, in each format; with the columns that were chosen, and with the ids by which it comes in again.
fn exports(filter: &str, sort: &str, columns: &str) -> Vec<(&'static str, String)> {
    let columns = if columns.is_empty() { String::new() } else { format!("id,{columns}") };
    let to = |format| link("/items/export", [("q", filter), ("sort", sort), ("columns", columns.as_str()), ("format", format)]);
    [("CSV", "csv"), ("XLSX", "xlsx"), ("JSON", "json"), ("YAML", "yaml")].into_iter().map(|(label, format)| (label, to(format))).collect()
}

fn shown(rows: usize, total: usize, is_later_page: bool) -> String {
    let total_words = counted(total, "item", "items");
    if rows == total && !is_later_page { total_words } else { format!("{} of {total_words} on this page", count(rows as u64)) }
}

fn row(app: &App, estate: &Estate, ci: &Ci, columns: &[Column], is_usual: bool, now: Timestamp) -> Row {
    Row {
        href: format!("/items/{}", ci.id),
        name: ci.name.clone(),
        on: words::host(estate, ci.id).to_owned(),
        retired: ci.lifecycle == Lifecycle::Retired,
        cells: columns
            .iter()
            .filter(|column| **column != Column::Name)
            .map(|column| cell(app, estate, ci, column, is_usual, now))
            .collect(),
    }
}

fn cell(app: &App, estate: &Estate, ci: &Ci, column: &Column, is_usual: bool, now: Timestamp) -> Cell {
    let text = |text: String| Cell { text, when: None, class: "fit" };
    let time = |at: Option<Timestamp>| Cell { text: String::new(), when: at.map(|at| When::new(at, now)), class: "nowrap" };
    match column {
        Column::Relevance | Column::Name => text(ci.name.clone()),
        Column::Class => Cell { class: "nowrap", ..text(words::class(estate.catalogue(), &ci.class).to_owned()) },
        Column::Lifecycle => text(ci.stage.label().to_owned()),
        Column::FirstSeen => time(Some(ci.first_seen)),
        Column::Changed => time(Some(ci.valid_from)),
        Column::Rank => {
            let harmed = app.blast_radii.of(ci.id).map_or_else(String::new, |blast_radius| words::harmed(&blast_radius.toll));
            Cell { class: "nowrap", ..text(harmed) }
        }
        Column::LastSeen => match query::last_noticed(estate, ci) {
            None => Cell { class: "nowrap muted", ..text("no agent".to_owned()) },
            seen => time(seen),
        },
        // Among the usual columns those of machines stand for what services have in their place.
        Column::Attribute(name) if is_usual && name == "operating_system" => {
            text(ci.text(name).or_else(|| ci.text("version")).unwrap_or_default().to_owned())
        }
        Column::Attribute(name) if is_usual && name == "ip_addresses" => {
            Cell { class: "fit mono", ..text(first_of(ci.value(name).or_else(|| ci.value("endpoints")))) }
        }
        Column::Attribute(name) => {
            let known = estate.catalogue().attribute(&ci.class, name);
            text(ci.value(name).map_or_else(String::new, |value| format::value(known, value, now).join(", ")))
        }
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
fn chips(catalogue: &Catalogue, counts: Vec<(String, usize)>, filter: &Filter, state: &State<'_>) -> Vec<Chip> {
    let rest = Filter { terms: filter.terms.iter().filter(|term| !is_class(term)).cloned().collect() };
    let current = filter.class();
    let counts: BTreeMap<String, usize> = counts.into_iter().collect();
    let all = counts.values().sum();
    let chip = |label: String, number: usize, class: Option<&str>| {
        let words = [rest.to_string(), class.map_or_else(String::new, |class| format!("class:{class}"))];
        let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
        Chip { label, number: count(number as u64), href: state.link(&[("q", words.join(" ").as_str())]), current: class == current }
    };
    // In the catalogue's order, which is the order in which people think of them.
    let classes = catalogue.classes().filter(|class| class.name != MACHINE);
    let classes = classes.filter_map(|class| Some((class, *counts.get(&class.name)?)));
    let is_machine = |class: &str| catalogue.is_a(class, MACHINE);
    let machines = counts.iter().filter(|(class, _)| is_machine(class)).map(|(_, count)| count).sum();
    [chip("Everything".to_owned(), all, None), chip(words::classes(catalogue, MACHINE).to_owned(), machines, Some(MACHINE))]
        .into_iter()
        .chain(classes.map(|(class, number)| chip(class.plural.clone(), number, Some(&class.name))))
        .collect()
}

fn is_class(term: &query::Term) -> bool {
    !term.negated && matches!(term.condition, Condition::Class(_))
}

fn headings(catalogue: &Catalogue, columns: &[Column], sorted: &str, state: &State<'_>) -> Vec<Heading> {
    let is_unmanaged = Filter::parse(catalogue, state.filter).is_ok_and(|filter| filter.class() == Some(UNMANAGED));
    let heading = |column: &Column| {
        let name = column.to_string();
        let ascending = sorted == name;
        let descending = sorted.strip_prefix('-') == Some(name.as_str());
        // Times are asked for newest first, everything else from A.
        let newest_first = matches!(column, Column::LastSeen | Column::FirstSeen | Column::Changed);
        let next = match (ascending, descending) {
            (true, _) => format!("-{name}"),
            (_, true) => name,
            _ if newest_first => format!("-{name}"),
            _ => name,
        };
        let label = match column {
            Column::Attribute(name) if name == "operating_system" && state.columns.is_empty() => "System".to_owned(),
            Column::Attribute(name) if name == "ip_addresses" && state.columns.is_empty() => "Address".to_owned(),
            Column::LastSeen if is_unmanaged => "Last met".to_owned(),
            column => label(catalogue, column),
        };
        Heading {
            label,
            href: state.link(&[("sort", next.as_str())]),
            order: if ascending { Some("ascending") } else { descending.then_some("descending") },
        }
    };
    columns.iter().map(heading).collect()
}

/// `GET /items/names?other=`: names for the field of a form that asks for an item; with `field=NAME` of the field of that name, each so that it
/// means one item even if several are called the same.
pub(super) async fn names(visitor: Visitor) -> Response {
    #[derive(Template)]
    #[template(source = "{% for name in names %}<option value=\"{{ name.0 }}\">{{ name.1 }}</option>{% endfor %}", ext = "html")]
    struct Options {
        names: Vec<(String, String)>,
    }
    let field = visitor.query.get("field");
    let wanted = visitor.query.get(if field.is_empty() { "other" } else { field }).to_lowercase();
    let mut names: Vec<(String, String)> = if wanted.is_empty() {
        Vec::new()
    } else {
        let estate = visitor.app.estate();
        let filter = Filter { terms: vec![query::Term::new(Condition::Contains(query::Field::Name, wanted))] };
        let asked = CiQuery { filter, ..CiQuery::default() };
        let found = visitor.app.search.list(&estate, &asked, visitor.now).map(|page| page.items).unwrap_or_default();
        let name = |ci: &Ci| if field.is_empty() { ci.name.clone() } else { words::name_and_host(&estate, ci.id) };
        found.into_iter().map(|ci| (name(ci), words::class(estate.catalogue(), &ci.class).to_owned())).collect()
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
    classes: Vec<(String, String)>,
    class: String,
    name: String,
    fields: Vec<Input>,
}

/// `GET /items/new`
pub(super) async fn new(visitor: Visitor) -> Result<Response, Problem> {
    visitor.require(Role::AssetManager)?;
    let said = visitor.typed("/items").fields().unwrap_or(&visitor.query);
    let catalogue = Arc::clone(visitor.app.estate().catalogue());
    let mut classes: Vec<_> =
        catalogue.classes().filter(|class| class.parent.is_some()).map(|class| (class.name.clone(), class.label.clone())).collect();
    classes.sort_by_cached_key(|(name, label)| (name != "business_service", label.clone()));
    let (class, name) = (said.get("class").to_owned(), said.get("name").to_owned());
    let shown = if catalogue.class(&class).is_some() { class.as_str() } else { "item" };
    let fields = {
        let estate = visitor.app.estate();
        let fields = editable(&catalogue, shown).into_iter().filter(|attribute| shown != "item" || attribute.kind == AttributeKind::Text);
        fields.map(|attribute| Input::new(&estate, attribute, None, false).said(said)).collect()
    };
    Ok(visitor.page(&NewPage { shell: visitor.shell(Part::Inventory), classes, class, name, fields }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_turns_its_own_order_round_and_starts_times_at_the_newest() {
        let of = |sort: &str, label: &str| {
            let columns: Vec<Column> = USUAL.iter().filter_map(|name| Column::parse(&Catalogue::built_in(), name)).collect();
            let sorted = if sort.is_empty() { "name" } else { sort };
            let state = State { filter: "os:debian", sort, columns: "", view: "" };
            let heading =
                headings(&Catalogue::built_in(), &columns, sorted, &state).into_iter().find(|heading| heading.label == label).unwrap();
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
