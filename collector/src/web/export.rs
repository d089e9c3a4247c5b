//! `GET /items.csv`: the filtered inventory for a spreadsheet.

use std::{collections::BTreeSet, fmt::Write as _};

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use rollcall_core::Catalogue;
use serde_json::Value;

use super::{
    problem::{Problem, sentence},
    visitor::Visitor,
};
use crate::query::{self, CiQuery, MAX_LIMIT};

/// Attributes that have a column. Text lists are joined by a space.
fn columns(catalogue: &Catalogue) -> Vec<String> {
    let mut seen = BTreeSet::new();
    catalogue.attribute_names().filter(|name| seen.insert(*name)).map(str::to_owned).collect()
}

/// `GET /items.csv?q=…&sort=…`
pub(super) async fn items(visitor: Visitor) -> Result<Response, Problem> {
    let refused = |error: query::QueryError| Problem::invalid(sentence(&error.to_string()));
    let mut asked =
        CiQuery::parse(visitor.app.estate().catalogue(), visitor.query.get("q"), visitor.query.get("sort"), None, Some(MAX_LIMIT))
            .map_err(refused)?;
    let columns = columns(visitor.app.estate().catalogue());
    let mut csv = String::from("id,name,class,lifecycle,first_seen,last_seen");
    columns.iter().for_each(|name| csv.extend([",", name.as_str()]));
    csv.push_str("\r\n");
    loop {
        // One page under the lock at a time, so that a large export does not hold up the writer.
        let estate = visitor.app.estate();
        let page = visitor.app.search.list(&estate, &asked, visitor.now).map_err(refused)?;
        for ci in page.items {
            let seen = query::last_seen(&estate, ci).map_or_else(String::new, |seen| seen.to_string());
            let _ = write!(csv, "{},{},{}", ci.id, field(&ci.name), field(&ci.class));
            let _ = write!(csv, ",{},{},{seen}", ci.stage.as_str(), ci.first_seen);
            for name in &columns {
                csv.push(',');
                csv.push_str(&ci.value(name).map_or_else(String::new, |value| field(&text(value))));
            }
            csv.push_str("\r\n");
        }
        asked.after = page.next;
        if asked.after.is_none() {
            break;
        }
    }
    let headers =
        [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::CONTENT_DISPOSITION, "attachment; filename=\"rollcall-items.csv\"")];
    Ok((headers, csv).into_response())
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(members) => members.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// A value quoted for CSV. What a spreadsheet would take for a formula gets an apostrophe in front: names come from machines, and a
/// machine may be hostile.
fn field(value: &str) -> String {
    let is_formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']) && value.parse::<f64>().is_err();
    let guard = if is_formula { "'" } else { "" };
    if is_formula || value.contains([',', '"', '\n', '\r']) {
        format!("\"{guard}{}\"", value.replace('"', "\"\""))
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_and_formulas_are_text() {
        for (value, written) in [
            ("db01", "db01"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=HYPERLINK(1)", "\"'=HYPERLINK(1)\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-5", "-5"),
            ("-cmd", "\"'-cmd\""),
        ] {
            assert_eq!(field(value), written, "{value}");
        }
    }
}
