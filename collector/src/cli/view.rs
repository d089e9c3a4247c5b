//! `rollcall view`: saved views.

use reqwest::Method;
use rollcall_shared::Timestamp;
use serde_json::Map;
use uuid::Uuid;

use super::{
    Context, ci,
    client::Client,
    error::CliError,
    output::{Rows, age, print, print_with, say, value},
};
use crate::api::{
    types::{CiSummary, Page},
    views::{NewView, View},
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List your views and those that others share.
    List,
    /// Show the items of a view, in its columns and order.
    Show {
        /// The view's name or id.
        view: String,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Save a view; one of yours by that name is replaced.
    #[command(after_help = ci::FILTER_HELP)]
    Save {
        /// What it is called.
        name: String,
        /// Words that must all hold.
        #[arg(value_name = "FILTER")]
        filter: Vec<String>,
        /// As `rollcall ci list --sort`.
        #[arg(long, default_value = "", allow_hyphen_values = true)]
        sort: String,
        /// Columns from left to right, separated by commas: name, class, lifecycle, first_seen, last_seen, changed, attributes.
        #[arg(long, value_delimiter = ',')]
        columns: Vec<String>,
        /// Let everybody see it.
        #[arg(long)]
        shared: bool,
    },
    /// Delete a view.
    Delete {
        /// The view's name or id.
        view: String,
    },
}

pub(super) async fn run(command: Command, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    match command {
        Command::List => {
            let page: Page<View> = client.get("/views", &[]).await?;
            print(context.output, &page, || list(&page.items))
        }
        Command::Show { view, limit } => {
            let view = find(&client, &view).await?;
            let page = ci::pages(&client, &view.filter, &view.sort, limit).await?;
            let total = page.total.unwrap_or(page.items.len());
            let rows = || items(&view, &page.items);
            print_with(context.output, &page, rows, |rows| format!("{}\n{} of {total} items", rows.to_text(), page.items.len()))
        }
        Command::Save { name, filter, sort, columns, shared } => {
            let new = NewView { name, filter: ci::joined(&filter), sort, columns, shared };
            let all: Page<View> = client.get("/views", &[]).await?;
            let known = all.items.iter().filter(|view| view.changeable && view.name == new.name).collect::<Vec<_>>();
            let saved: View = match known.as_slice() {
                [] => client.send(Method::POST, "/views", &new).await?,
                [one] => client.send(Method::PUT, &format!("/views/{}", one.id), &new).await?,
                _ => {
                    return Err(CliError::Usage(format!(
                        "several views that you may change are called {:?}; delete one by its id",
                        new.name
                    )));
                }
            };
            print(context.output, &saved, || list(std::slice::from_ref(&saved)))
        }
        Command::Delete { view } => {
            let view = find(&client, &view).await?;
            client.order(Method::DELETE, &format!("/views/{}", view.id), &Map::new()).await?;
            say(&format!("deleted {}", view.id))
        }
    }
}

/// The view that somebody means: by id, or by a name that only one has.
async fn find(client: &Client, said: &str) -> Result<View, CliError> {
    let all: Page<View> = client.get("/views", &[]).await?;
    let id = said.parse::<Uuid>().ok();
    let mut meant = all.items.into_iter().filter(|view| Some(view.id) == id || view.name == said);
    match (meant.next(), meant.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(CliError::NotFound(format!("there is no view {said:?}\nnext: see `rollcall view list`"))),
        (Some(_), Some(_)) => {
            Err(CliError::Usage(format!("several views are called {said:?}; name one by its id from `rollcall view list`")))
        }
    }
}

fn list(views: &[View]) -> Rows {
    let mut rows = Rows::new(&["Name", "Filter", "Sort", "Columns", "Owner", "Shared", "Id"]);
    for view in views {
        let shared = if view.shared { "yes" } else { "no" };
        rows.push([
            view.name.clone(),
            view.filter.clone(),
            view.sort.clone(),
            view.columns.join(","),
            view.owner.clone(),
            shared.to_owned(),
            view.id.to_string(),
        ]);
    }
    rows
}

/// Items in a view's columns.
fn items(view: &View, items: &[CiSummary]) -> Rows {
    if view.columns.is_empty() {
        return ci::list(items);
    }
    let now = Timestamp::now();
    let names: Vec<&str> = view.columns.iter().map(String::as_str).collect();
    let mut rows = Rows::new(&names);
    for item in items {
        let cell = |name: &&str| match *name {
            "name" => item.name.clone(),
            "class" => item.class.clone(),
            "lifecycle" => item.lifecycle.clone(),
            "first_seen" => age(item.first_seen.0, now),
            "changed" => age(item.changed.0, now),
            "last_seen" => item.last_seen.map(|seen| age(seen.0, now)).unwrap_or_default(),
            attribute => item.attributes.get(attribute).map(value).unwrap_or_default(),
        };
        rows.push_all(names.iter().map(cell));
    }
    rows
}
