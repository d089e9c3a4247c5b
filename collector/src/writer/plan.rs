//! Plans a batch: each job against the estate as the jobs before it leave it, without anybody seeing what is not durable.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::PoisonError,
};

use rollcall_core::{Change, ChangeSet, Estate, Policy, Revision, Undo, reconcile};
use rollcall_shared::{AgentId, Digest, DocumentId, Timestamp};
use uuid::Uuid;

use super::{Acknowledged, Command, CommandRefused, Document, DocumentOutcome, InventoryUpdate, Job, WriteError};
use crate::{
    agents::exchange::{AHEAD, Judgement, NEVER, judge},
    app::App,
    store::{AttributedChange, AuditEntry, Batch, DocumentRecord, Inventory, SectionRecord},
};

/// What a batch comes to.
pub(super) struct Planned {
    /// The revision it was planned from.
    pub(super) base: Revision,
    /// What to store.
    pub(super) batch: Batch,
    /// Each job with what came of it.
    pub(super) outcomes: Vec<(Job, Outcome)>,
}

/// What came of one job.
pub(super) enum Outcome {
    /// Nothing of it is done.
    Failed(WriteError),
    /// Each command's changes.
    Changed(Vec<ChangeSet>),
    /// A document's acknowledgement, once all is durable.
    Document(DocumentOutcome),
    /// What a check-in said is noted.
    Noted,
}

/// What the store knows of the agents and documents of a batch.
#[derive(Default)]
pub(super) struct Known {
    /// Inventories by agent.
    pub(super) inventories: HashMap<AgentId, Inventory>,
    /// Documents that are stored.
    pub(super) documents: HashSet<DocumentId>,
}

impl Planned {
    /// The jobs, to plan again or to refuse.
    pub(super) fn into_jobs(self) -> Vec<Job> {
        self.outcomes.into_iter().map(|(job, _)| job).collect()
    }
}

/// Plans all jobs. Blocks; the estate is locked meanwhile, and left as it was.
pub(super) fn plan(app: &App, jobs: Vec<Job>, known: Known, at: Timestamp) -> Planned {
    let mut estate = app.estate.write().unwrap_or_else(PoisonError::into_inner);
    let mut planner = Planner {
        policy: &app.policy,
        at,
        known,
        touched: BTreeSet::new(),
        batch: Batch { at, ..Batch::default() },
        applied: 0,
        undo: Vec::new(),
    };
    let mut outcomes = Vec::with_capacity(jobs.len());
    let mut waiting = jobs.into_iter().peekable();
    while let Some(mut job) = waiting.next() {
        let before = planner.mark();
        // Planning reads the estate, and notes what it comes to at its end: a fault in it leaves nothing half-done.
        let outcome = catch_unwind(AssertUnwindSafe(|| planner.plan(&mut estate, &mut job))).unwrap_or_else(|_| {
            tracing::error!("planning a change ended in a fault; nothing of it is stored");
            Outcome::Failed(WriteError::Fault)
        });
        if matches!(outcome, Outcome::Failed(_)) {
            planner.back_to(before, &mut estate);
        } else if waiting.peek().is_some() {
            planner.apply(&mut estate);
        }
        outcomes.push((job, outcome));
    }
    while let Some(step) = planner.undo.pop() {
        estate.revert(step);
    }
    Planned { base: estate.revision(), batch: planner.finish(), outcomes }
}

struct Planner<'a> {
    policy: &'a Policy,
    at: Timestamp,
    known: Known,
    /// Agents whose inventory this batch changes.
    touched: BTreeSet<AgentId>,
    batch: Batch,
    /// How many of the batch's changes the estate shows for the moment.
    applied: usize,
    /// How to take them back.
    undo: Vec<Undo>,
}

/// How far planning had come.
struct Mark {
    changes: usize,
    audit: usize,
    undo: usize,
    applied: usize,
}

impl Planner<'_> {
    fn mark(&self) -> Mark {
        Mark { changes: self.batch.changes.len(), audit: self.batch.audit.len(), undo: self.undo.len(), applied: self.applied }
    }

    /// Shows the estate what is planned, for the jobs behind.
    fn apply(&mut self, estate: &mut Estate) {
        self.undo.push(estate.apply_recording(self.batch.changes[self.applied..].iter().map(|change| &change.change)));
        self.applied = self.batch.changes.len();
    }

    /// Forgets what was planned since.
    fn back_to(&mut self, mark: Mark, estate: &mut Estate) {
        for step in self.undo.drain(mark.undo..).rev() {
            estate.revert(step);
        }
        self.applied = mark.applied;
        self.batch.changes.truncate(mark.changes);
        self.batch.audit.truncate(mark.audit);
    }

    fn plan(&mut self, estate: &mut Estate, job: &mut Job) -> Outcome {
        match job {
            Job::Commands(commands, _) => self.plan_commands(estate, commands),
            Job::Document(document, _) => Outcome::Document(self.plan_document(estate, document)),
            Job::Inventory(update, _) => {
                self.plan_update(update);
                Outcome::Noted
            }
        }
    }

    fn plan_commands(&mut self, estate: &mut Estate, commands: &mut [Command]) -> Outcome {
        let mut all = Vec::with_capacity(commands.len());
        for (index, command) in commands.iter_mut().enumerate() {
            if index > 0 {
                self.apply(estate);
            }
            match self.plan_command(estate, command) {
                Ok(changes) => all.push(changes),
                Err(refused) => return Outcome::Failed(WriteError::OneRefused { index, refused }),
            }
        }
        Outcome::Changed(all)
    }

    fn plan_command(&mut self, estate: &Estate, command: &mut Command) -> Result<ChangeSet, CommandRefused> {
        let changes = (command.plan)(estate, self.at, &mut Uuid::now_v7)?;
        self.change(&command.actor, changes.changes.iter().cloned());
        if let Some(audit) = command.audit.as_ref().filter(|_| !changes.is_empty()) {
            self.batch.audit.push(AuditEntry {
                at: self.at,
                actor: command.actor.clone(),
                action: audit.action.to_owned(),
                subject: audit.subject.clone(),
                detail: audit.detail.clone(),
            });
        }
        Ok(changes)
    }

    fn plan_document(&mut self, estate: &Estate, document: &Document) -> DocumentOutcome {
        let agent = document.facts.agent;
        let before = self.known.inventories.get(&agent);
        if self.known.documents.contains(&document.id) {
            let known = before.map(digests).unwrap_or_default();
            return DocumentOutcome::Acknowledged(Acknowledged { known, is_duplicate: true });
        }
        let last = before.map_or(NEVER, |inventory| inventory.exchange);
        match judge(&last, &document.exchange) {
            Judgement::Copy => return DocumentOutcome::Copy { last_counter: last.counter },
            Judgement::Ahead if last.counter > 0 => {
                tracing::warn!(%agent, sent = document.exchange.counter, last = last.counter, "{AHEAD}");
            }
            // A repetition of an exchange whose document is not here: another message had the same turn, and its answer was lost.
            Judgement::Ahead | Judgement::Next | Judgement::Retry => {}
        }
        let changes = reconcile(estate, &document.facts, &document.observed, self.at, self.policy, &mut Uuid::now_v7);

        let mut sections = before.map(|inventory| inventory.sections.clone()).unwrap_or_default();
        sections.extend(document.sections.iter().map(|(name, section)| (name.clone(), section.clone())));
        let inventory = Inventory {
            agent,
            exchange: document.exchange,
            root: root(&sections),
            last_seen: document.received_at,
            clock_skew_ms: document.clock_skew_ms,
            agent_version: document.agent_version.clone(),
            dropped_documents: before.map_or(0, |inventory| inventory.dropped_documents),
            superseded_inventories: before.map_or(0, |inventory| inventory.superseded_inventories),
            sections,
        };
        let known = digests(&inventory);
        self.change("agent", changes.changes);
        self.batch.documents.push(DocumentRecord {
            id: document.id,
            agent,
            received_at: document.received_at,
            body: document.body.clone(),
        });
        self.known.documents.insert(document.id);
        self.touched.insert(agent);
        self.known.inventories.insert(agent, inventory);
        DocumentOutcome::Acknowledged(Acknowledged { known, is_duplicate: false })
    }

    fn plan_update(&mut self, update: &InventoryUpdate) {
        let Some(inventory) = self.known.inventories.get_mut(&update.agent) else { return };
        inventory.sections.retain(|name, _| update.listed.contains(name));
        inventory.root = root(&inventory.sections);
        inventory.dropped_documents = update.dropped_documents;
        inventory.superseded_inventories = update.superseded_inventories;
        self.touched.insert(update.agent);
    }

    fn change(&mut self, actor: &str, changes: impl IntoIterator<Item = Change>) {
        self.batch.changes.extend(changes.into_iter().map(|change| AttributedChange { actor: actor.to_owned(), change }));
    }

    fn finish(mut self) -> Batch {
        let touched = self.touched.iter().filter_map(|agent| self.known.inventories.remove(agent));
        self.batch.inventories.extend(touched);
        self.batch
    }
}

fn digests(inventory: &Inventory) -> BTreeMap<String, Digest> {
    inventory.sections.iter().map(|(name, section)| (name.clone(), section.digest)).collect()
}

fn root(sections: &BTreeMap<String, SectionRecord>) -> Digest {
    Digest::root(sections.iter().map(|(name, section)| (name.as_str(), section.digest)))
}
