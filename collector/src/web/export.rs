//! `GET /items/export`: the filtered inventory as a file.

use axum::response::Response;

use super::{
    problem::{Problem, sentence},
    visitor::Visitor,
};
use crate::{api::exports, export::Columns, query::CiQuery, table::Format};

/// `GET /items/export?q=…&sort=…&format=…&columns=…`, and `GET /items.csv`
pub(super) async fn items(visitor: Visitor) -> Result<Response, Problem> {
    let query = &visitor.query;
    let catalogue = visitor.app.catalogue();
    let mut asked = CiQuery::parse(&catalogue, query.get("q"), query.get("sort"), None, None)
        .map_err(|error| Problem::invalid(sentence(&error.to_string())))?;
    asked.ranking = visitor.app.blast_radii.newest();
    let columns = Columns::parse(&catalogue, query.get("columns")).map_err(|error| Problem::invalid(sentence(&error.to_string())))?;
    let format = match query.get("format") {
        "" => Format::Csv,
        named => Format::parse(named).ok_or_else(|| Problem::invalid("A format is csv, xlsx, json or yaml."))?,
    };
    Ok(exports::answer(visitor.app, asked, format, columns))
}
