//! `rollcall precedence`: whose word stands.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Map;

use super::{
    Context,
    class::name_in_path,
    error::CliError,
    output::{Rows, print, print_with, say, value},
};
use crate::api::{
    precedence::{DryRun, EffectView, OrderSpec, RankView, RuleView},
    types::Page,
};

/// What `--help` says of orders.
const ORDER_HELP: &str = r#"Sources, the most believed first: agent, code, user, api, import, or one of a kind as in import:erp, user:ada, code:estate.
With =90d (also h, m, s, w) its word stands so long without being said again; after that every fresh one stands before it.
Those that are not named come after them: agent, code, user, api, import. Pins stand before all.

  rollcall precedence set hardware location import:scanner=90d user agent --dry-run"#;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List the rules that people have made.
    List,
    /// Make or change a rule; the values that it decides otherwise change at once.
    #[command(after_help = ORDER_HELP)]
    Set {
        /// The class; those that specialise it follow it too. item for all.
        class: String,
        /// The attribute; * for all that have no rule of their own.
        attribute: String,
        /// Sources, the most believed first.
        #[arg(required = true, value_name = "SOURCE[=TIME]")]
        order: Vec<String>,
        /// Only show which values would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Delete a rule; the next one that fits decides from now on.
    Delete {
        /// The class.
        class: String,
        /// The attribute, or *.
        attribute: String,
        /// Only show which values would change.
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) async fn run(command: Command, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    match command {
        Command::List => {
            let page: Page<RuleView> = client.get("/precedence", &[]).await?;
            print(context.output, &page, || rules(&page.items))
        }
        Command::Set { class, attribute, order, dry_run } => {
            let order = order.iter().map(|text| rank(text)).collect::<Result<Vec<_>, _>>()?;
            let path = path(&class, &attribute)?;
            if dry_run {
                let rule = RuleView { class, attribute: (attribute != "*").then_some(attribute), order };
                return tried(&client, vec![rule], BTreeSet::new(), context).await;
            }
            let rule: RuleView = client.send(Method::PUT, &path, &OrderSpec { order }).await?;
            print(context.output, &rule, || rules(std::slice::from_ref(&rule)))
        }
        Command::Delete { class, attribute, dry_run } => {
            let path = path(&class, &attribute)?;
            if dry_run {
                return tried(&client, Vec::new(), BTreeSet::from([format!("{class}.{attribute}")]), context).await;
            }
            client.order(Method::DELETE, &path, &Map::new()).await?;
            say(&format!("deleted {class}.{attribute}"))
        }
    }
}

fn path(class: &str, attribute: &str) -> Result<String, CliError> {
    let attribute = if attribute == "*" { attribute } else { name_in_path(attribute)? };
    Ok(format!("/precedence/{}/{attribute}", name_in_path(class)?))
}

async fn tried(client: &super::client::Client, rules: Vec<RuleView>, delete: BTreeSet<String>, context: &Context) -> Result<(), CliError> {
    /// Changes that are shown; the sentence counts all.
    const SHOWN: usize = 1_000;
    let asked = DryRun { rules, delete, after: None, limit: Some(SHOWN) };
    let page: Page<EffectView> = client.send(Method::POST, "/precedence/dry-run", &asked).await?;
    let total = page.total.unwrap_or(page.items.len());
    let ending = |rows: &Rows| match total {
        0 => "nothing would change".to_owned(),
        1 => format!("{}\n1 value would change; nothing has been written", rows.to_text()),
        total => format!("{}\n{total} values would change; nothing has been written", rows.to_text()),
    };
    print_with(context.output, &page, || effects(&page.items), ending)
}

/// `import:erp=90d`
fn rank(text: &str) -> Result<RankView, CliError> {
    let (source, window) = text.rsplit_once('=').map_or((text, None), |(source, window)| (source, Some(window)));
    let seconds = window.map(|window| {
        let wrong = || CliError::Usage(format!("{window:?} is no time: a number and s, m, h, d or w is needed, as in 90d"));
        let unit = window.chars().last().ok_or_else(wrong)?;
        let each: u64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return Err(wrong()),
        };
        let number: u64 = window.trim_end_matches(unit).parse().map_err(|_| wrong())?;
        number.checked_mul(each).ok_or_else(wrong)
    });
    Ok(RankView { source: source.to_owned(), fresh_for_seconds: seconds.transpose()? })
}

fn rules(rules: &[RuleView]) -> Rows {
    let mut rows = Rows::new(&["Class", "Attribute", "Order"]);
    for rule in rules {
        let rank = |rank: &RankView| match rank.fresh_for_seconds {
            Some(seconds) if seconds % 86_400 == 0 => format!("{}={}d", rank.source, seconds / 86_400),
            Some(seconds) => format!("{}={seconds}s", rank.source),
            None => rank.source.clone(),
        };
        let order: Vec<String> = rule.order.iter().map(rank).collect();
        rows.push([rule.class.clone(), rule.attribute.clone().unwrap_or_else(|| "*".to_owned()), order.join(" > ")]);
    }
    rows
}

fn effects(effects: &[EffectView]) -> Rows {
    let mut rows = Rows::new(&["Item", "Attribute", "Now", "Says", "Then", "Says", "Rule"]);
    for one in effects {
        rows.push([
            one.ci.name.clone(),
            one.attribute.clone(),
            value(&one.old_value),
            one.old_source.clone(),
            value(&one.new_value),
            one.new_source.clone(),
            one.rule.clone().unwrap_or_else(|| "as Rollcall comes".to_owned()),
        ]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_an_order_is_a_source_and_how_long_it_stands() {
        for (text, expected) in [
            ("agent", Some(("agent", None))),
            ("import:erp=90d", Some(("import:erp", Some(90 * 86_400)))),
            ("user=2h", Some(("user", Some(7_200)))),
            ("user=", None),
            ("user=d", None),
            ("user=5y", None),
            ("user=99999999999999999999d", None),
        ] {
            let read = rank(text).ok().map(|rank| (rank.source, rank.fresh_for_seconds));
            assert_eq!(read, expected.map(|(source, seconds)| (source.to_owned(), seconds)), "{text}");
        }
    }
}
