//! CMDB as code: declarations in YAML files, planned by the core against what is there.
//!
//! A *code base* is a set of files under one name, which is the source of what they say: `code:NAME`.

mod export;
mod files;

use std::sync::{Arc, Mutex, PoisonError};

use rollcall_core::{
    Estate, IdSource,
    reconcile::commands::{CodeAction, CodePlan, CodeProblem, CodeStep, Order, Subject, plan_code},
};
use rollcall_shared::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

pub(crate) use self::{export::export, files::Files};
use crate::{import::FieldView, writer::CommandRefused};

/// A file of declarations.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeFile {
    /// Its name, for messages and plans.
    pub(crate) name: String,
    /// Its YAML: `classes`, `relationship_types`, `precedence`, `items`, `relationships` and `need_groups`, each a list.
    pub(crate) text: String,
}

/// What the files of a code base declare now. What they declared before and no longer do is taken back.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeOrder {
    /// The code base's name: letters, digits, dots, hyphens and underscores.
    pub(crate) base: String,
    /// All of its files.
    pub(crate) files: Vec<CodeFile>,
    /// The digest of the plan that was looked at: the order is refused if the plan is another by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
}

/// What the files change.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct CodePlanView {
    /// What is done, and what is not as declared.
    pub(crate) steps: Vec<CodeStepView>,
    /// How many of the steps change something.
    pub(crate) changes: usize,
    /// Stands for the plan.
    pub(crate) digest: String,
}

/// One thing that changes or is not as declared.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct CodeStepView {
    /// `create`; `update`; `retire`: it vanished from the files, which had made it; `release`: it vanished from the files, which had only said
    /// something about it; `drift`: somebody whose word comes first says otherwise, and nothing is done.
    pub(crate) action: String,
    /// `class`, `relationship_type`, `precedence`, `item`, `relationship` or `need_group`.
    pub(crate) kind: String,
    /// What people call it.
    pub(crate) name: String,
    /// The item: its own, the dependent's, whose need it is; absent where it is still to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ci: Option<Uuid>,
    /// Field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) fields: Vec<FieldView>,
    /// The file that declares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// The line in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u64>,
}

/// Whether a code base may be called so.
pub(crate) fn is_base_name(name: &str) -> bool {
    let fits = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    (1..=64).contains(&name.len()) && name.chars().all(fits)
}

/// Plans what the files change.
///
/// # Errors
/// What is wrong, a line for each problem, with file, line and path.
pub(crate) fn plan(
    estate: &Estate,
    base: &str,
    files: &Files,
    now: Timestamp,
    ids: &mut dyn IdSource,
) -> Result<(CodePlan, CodePlanView), String> {
    let order = Order { source: rollcall_core::Source::Code(base.to_owned()), now, ids };
    let plan = plan_code(estate, base, &files.declared, order).map_err(|problems| said(files, &problems))?;
    let steps: Vec<CodeStepView> = plan.steps.iter().map(|step| view(estate, files, step)).collect();
    let gist: Vec<_> = steps.iter().map(|step| (&step.action, &step.kind, &step.name, step.ci, &step.fields)).collect();
    let digest = blake3::hash(&serde_json::to_vec(&gist).unwrap_or_default()).to_hex().to_string();
    let changes = steps.iter().filter(|step| step.action != "drift").count();
    Ok((plan, CodePlanView { steps, changes, digest }))
}

/// Plans for the writer: refused if it is not the plan that was looked at. What it comes to is left in `view`.
pub(crate) fn writer_plan(order: CodeOrder, files: Files, view: Arc<Mutex<Option<CodePlanView>>>) -> crate::writer::Plan {
    Box::new(move |estate, now, ids| {
        let (planned, planned_view) =
            plan(estate, &order.base, &files, now, ids).map_err(|message| CommandRefused { status: 422, message })?;
        if order.digest.as_ref().is_some_and(|digest| *digest != planned_view.digest) {
            let message = "the plan is another by now: something changed since it was looked at; plan again".to_owned();
            return Err(CommandRefused { status: 409, message });
        }
        *view.lock().unwrap_or_else(PoisonError::into_inner) = Some(planned_view);
        Ok(planned.changes)
    })
}

fn view(estate: &Estate, files: &Files, step: &CodeStep) -> CodeStepView {
    let place = step.place.and_then(|place| files.place(place, ""));
    CodeStepView {
        action: match step.action {
            CodeAction::Create => "create",
            CodeAction::Update => "update",
            CodeAction::Retire => "retire",
            CodeAction::Release => "release",
            CodeAction::Drift => "drift",
        }
        .to_owned(),
        kind: match step.subject {
            Subject::Class => "class",
            Subject::RelationshipType => "relationship_type",
            Subject::Precedence => "precedence",
            Subject::Item => "item",
            Subject::Relationship => "relationship",
            Subject::NeedGroup => "need_group",
        }
        .to_owned(),
        name: step.name.clone(),
        ci: step.ci.and_then(|id| estate.ci(id)).map(|ci| ci.id.0),
        fields: step.fields.iter().cloned().map(FieldView::from).collect(),
        file: place.map(|(file, _)| file.to_owned()),
        line: place.map(|(_, line)| line),
    }
}

/// Each problem on a line of its own: `shop.yaml:12: items.shop.attributes.owner: …`.
fn said(files: &Files, problems: &[CodeProblem]) -> String {
    const SHOWN: usize = 50;
    let line = |problem: &CodeProblem| {
        let place = files.place(problem.place, &problem.path).map(|(file, line)| format!("{file}:{line}: ")).unwrap_or_default();
        let path = files.path(problem.place, &problem.path);
        // The core's messages begin with the place in an item, which the path has already.
        let message = problem.message.strip_prefix(&format!("{}: ", problem.path)).unwrap_or(&problem.message);
        if path.is_empty() { format!("{place}{message}") } else { format!("{place}{path}: {message}") }
    };
    let mut lines: Vec<String> = problems.iter().take(SHOWN).map(line).collect();
    if problems.len() > SHOWN {
        lines.push(format!("and {} more", problems.len() - SHOWN));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
