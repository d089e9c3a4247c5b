//! `rollcall plan` and `rollcall apply`: CMDB as code. The files are read here; what they mean is the collector's to say.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use reqwest::Method;
use serde_json::Value;

use super::{
    Context,
    error::CliError,
    output::{Rows, plain, print_with, value},
};
use crate::code::{CodeFile, CodeOrder, CodePlanView, CodeStepView};

/// What `--help` says of the files.
pub(super) const FILES_HELP: &str = r#"Files (YAML, any number, every list may be left out):
  classes:                             # effective at once; items of them may stand in the same files
    - name: till
      label: Till
      plural: Tills
      parent: desktop
      identity: [[till_number]]
      attributes:
        - {name: till_number, label: Till number, kind: text, pattern: "T-[0-9]{4}", required: true}
        - {name: drawer, label: Drawer, kind: choice, allowed: [left, right]}
  relationship_types:
    - {name: prints_on, forward: prints on, reverse: prints for, hardness: soft}
  precedence:                          # whose word stands, the most believed first
    - {class: hardware, attribute: location, order: [{source: import:scanner, fresh_for_seconds: 7776000}, user, agent]}
  items:
    - key: shop                        # how the files refer to it
      class: business_service          # the files make it, and retire it when it vanishes from them
      name: Web shop
      attributes: {owner: Team Shop, criticality: high}
    - key: db01
      match: {name: ham-shop-db01}     # or {id: UUID}: it is there already; only what is said here is added
      attributes: {owner: Team Data}
  relationships:
    - {type: part_of, from: shop, to: db01, hardness: hard}
  need_groups:
    - {of: shop, name: databases, members: [db01, db02], min_up: 1, hardness: hard}

What stands already is not said again, so files that agree with discovery take nothing over from it."#;

#[derive(clap::Args)]
#[command(after_help = FILES_HELP)]
pub(super) struct Options {
    /// A file, or a directory with .yaml and .yml files in it and below it.
    #[arg(long, short, value_name = "PATH")]
    file: PathBuf,
    /// The code base's name; what it said before under this name and no longer does is taken back.  [default: the directory's name]
    #[arg(long, value_name = "NAME")]
    base: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct ApplyOptions {
    #[command(flatten)]
    options: Options,
    /// Only if the plan is still the one of this digest, from `rollcall plan --output json`.
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
}

pub(super) async fn plan(options: Options, context: &Context) -> Result<(), CliError> {
    let order = order(&options, None)?;
    let client = context.connection.client()?;
    let plan: CodePlanView = client.send(Method::POST, "/code/plan", &order).await?;
    show(&plan, context, "to do; `rollcall apply` with the same arguments does it")
}

pub(super) async fn apply(options: ApplyOptions, context: &Context) -> Result<(), CliError> {
    let order = order(&options.options, options.digest)?;
    let client = context.connection.client()?;
    let done: CodePlanView = client.send(Method::POST, "/code/apply", &order).await?;
    show(&done, context, "done")
}

fn order(options: &Options, digest: Option<String>) -> Result<CodeOrder, CliError> {
    let path = fs::canonicalize(&options.file).with_context(|| format!("cannot read {}", options.file.display()))?;
    let mut files = Vec::new();
    let root = if path.is_dir() { path.clone() } else { path.parent().unwrap_or(Path::new("/")).to_owned() };
    gather(&path, &root, &mut files, 0)?;
    if files.is_empty() {
        return Err(CliError::Usage(format!("{} has no .yaml or .yml file", options.file.display())));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    let named = || if path.is_dir() { path.file_name() } else { path.file_stem() }.map(|name| name.to_string_lossy().into_owned());
    let base = options.base.clone().or_else(named).context("name the code base with --base")?;
    Ok(CodeOrder { base, files, digest })
}

fn gather(path: &Path, root: &Path, files: &mut Vec<CodeFile>, depth: usize) -> Result<(), CliError> {
    const DEEPEST: usize = 16;
    let read = |what: &str| format!("cannot read {what}");
    if path.is_dir() {
        if depth > DEEPEST {
            return Err(CliError::Usage(format!("{} lies more than {DEEPEST} directories deep", path.display())));
        }
        for entry in fs::read_dir(path).with_context(|| read(&path.display().to_string()))? {
            let entry = entry.with_context(|| read(&path.display().to_string()))?.path();
            let hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            let is_yaml = entry.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
            if !hidden && (entry.is_dir() || is_yaml) {
                gather(&entry, root, files, depth + 1)?;
            }
        }
        return Ok(());
    }
    let text = fs::read_to_string(path).with_context(|| read(&path.display().to_string()))?;
    let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
    files.push(CodeFile { name, text });
    Ok(())
}

fn show(plan: &CodePlanView, context: &Context, ending: &str) -> Result<(), CliError> {
    print_with(
        context.output,
        plan,
        || rows(&plan.steps),
        |_| {
            let mut text: String = plan.steps.iter().map(step).collect();
            let drifted = plan.steps.len() - plan.changes;
            if drifted > 0 {
                text.push_str(&format!(
                    "{drifted} items are not as declared, because somebody whose word comes first says otherwise (~)\n"
                ));
            }
            text.push_str(&match plan.changes {
                0 => "no changes".to_owned(),
                1 => format!("1 change {ending}"),
                changes => format!("{changes} changes {ending}"),
            });
            text
        },
    )
}

/// `+ item Web shop (shop.yaml:3)` and its fields.
fn step(step: &CodeStepView) -> String {
    let sign = match step.action.as_str() {
        "create" => "+",
        "update" => "*",
        "drift" => "~",
        _ => "-",
    };
    let place = match (&step.file, step.line) {
        (Some(file), Some(line)) => format!(" ({file}:{line})"),
        _ => String::new(),
    };
    let mut text = plain(&format!("{sign} {} {} {}{place}\n", step.action, step.kind.replace('_', " "), step.name));
    for field in &step.fields {
        let old = field.old.as_ref().map(|old| format!("{} → ", value(old))).unwrap_or_default();
        let new = if field.new == Value::Null { "nothing".to_owned() } else { value(&field.new) };
        let note = field.note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
        text.push_str(&plain(&format!("    {}: {old}{new}{note}", field.field)));
        text.push('\n');
    }
    text
}

fn rows(steps: &[CodeStepView]) -> Rows {
    let mut rows = Rows::new(&["Action", "Kind", "Name", "Field", "Now", "New", "Note", "File", "Line"]);
    for step in steps {
        let text = |it: &Option<Value>| it.as_ref().map(value).unwrap_or_default();
        let place = || [step.file.clone().unwrap_or_default(), step.line.map(|line| line.to_string()).unwrap_or_default()];
        if step.fields.is_empty() {
            let [file, line] = place();
            let empty = String::new;
            rows.push([step.action.clone(), step.kind.clone(), step.name.clone(), empty(), empty(), empty(), empty(), file, line]);
        }
        for field in &step.fields {
            let [file, line] = place();
            rows.push([
                step.action.clone(),
                step.kind.clone(),
                step.name.clone(),
                field.field.clone(),
                text(&field.old),
                value(&field.new),
                field.note.clone().unwrap_or_default(),
                file,
                line,
            ]);
        }
    }
    rows
}
