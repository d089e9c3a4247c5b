//! `rollcall single-points`: what takes an item down alone, and which two together.

use super::{
    Context,
    application::named,
    ci::find,
    error::CliError,
    output::{Rows, plain, print_with},
};
use crate::api::impact::single_points::{PairView, SinglePointView, SinglePointsView};

#[derive(clap::Args)]
pub(super) struct Options {
    /// The item: its id, its name, or filter words that only it has.
    item: String,
    /// Look for pairs too: two that take it down together though neither does alone. Of what has the criticality critical, they always are.
    #[arg(long)]
    pairs: bool,
}

pub(super) async fn run(options: Options, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    let id = find(&client, &options.item).await?;
    let query: &[(&str, &str)] = if options.pairs { &[("pairs", "true")] } else { &[] };
    let found: SinglePointsView = client.get(&format!("/services/{id}/single-points-of-failure"), query).await?;
    print_with(context.output, &found, || points(&found.points), |rows| shown(rows, &found))
}

fn points(points: &[SinglePointView]) -> Rows {
    let mut rows = Rows::new(&["It is then", "If this fails", "Class", "Hops", "Stands before", "Behind"]);
    for point in points {
        let behind = point.behind.as_ref().map(named).unwrap_or_default();
        let (hops, guards) = (point.hops.to_string(), point.guards.to_string());
        rows.push([point.state.clone(), named(&point.ci), point.ci.class.replace('_', " "), hops, guards, behind]);
    }
    rows
}

fn shown(rows: &Rows, found: &SinglePointsView) -> String {
    let service = plain(&named(&found.service));
    let mut text = match rows.is_empty() {
        true => format!("nothing that {service} needs harms it alone"),
        false => rows.to_text(),
    };
    text.push_str(&format!("\ntried {} of the {} items that it needs", found.tried, found.needed));
    let Some(pairs) = &found.pairs else { return text };
    if pairs.is_empty() {
        text.push_str("\nno two take it down together that do not alone");
    }
    for PairView { first, second } in pairs {
        text.push_str(&format!("\ndown if both fail: {} and {}", plain(&named(first)), plain(&named(second))));
    }
    if found.pairs_complete == Some(false) {
        text.push_str("\nthere may be more pairs");
    }
    text
}
