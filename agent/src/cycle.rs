//! The agent at work: look, check in, send what is wanted, renew.

use std::{collections::BTreeMap, io, time::Duration};

use rollcall_shared::{
    Digest, Timestamp,
    wire::{
        limits,
        v1::{CheckInRequest, Connections, Credentials, InventoryResponse, RenewRequest, Section, SectionData, VERSION},
    },
};
use uuid::Uuid;

use crate::{
    client::{self, Client, ClientError, VERSION_TEXT},
    clock::{self, LocalTime, ServerTime},
    collect::{self, Machine},
    files::Root,
    keys::{AgentKey, KeyError},
    observe::{Attribution, Sampler, Windows},
    spool::{Spool, SpoolError, Upload, UploadHeader},
    state::{Held, Identity, LastError, Progress, StateDirectory, StateError},
    tls::Time,
};

/// An enrolled agent with all that it holds.
pub struct Agent {
    state: StateDirectory,
    spool: Spool,
    root: Root,
    disabled: Vec<String>,
    identity: Identity,
    key: AgentKey,
    progress: Progress,
    client: Client,
    watch: Watch,
    snapshot: Option<Snapshot>,
}

/// An inventory as collected.
struct Snapshot {
    sections: BTreeMap<String, Section>,
    root: Digest,
    /// What the windows of connections were at.
    windows: u64,
    acknowledged: bool,
}

/// How an exchange with the collector went.
#[derive(Debug)]
pub struct Exchanged {
    /// When the collector wants to hear from this agent again.
    pub next_check_in: Duration,
    /// Sections that were sent and that the collector acknowledged.
    pub sent: Vec<String>,
    /// Sections whose content the collector refused, with its words.
    pub refused: BTreeMap<String, String>,
}

/// A cycle could not be completed.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// The agent has not joined a collector.
    #[error("this machine is not enrolled; run: rollcall-agent enroll --token TOKEN")]
    NotEnrolled,
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The collector.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Writing a document.
    #[error("writing the document: {0}")]
    Document(#[from] io::Error),
    /// The collector takes nothing from this agent.
    #[error("the collector takes no inventory from this agent: {}{}", .0.reason, .0.next_step.as_deref().map(|step| format!("; next: {step}")).unwrap_or_default())]
    Held(Held),
    /// The collector issued something unusable.
    #[error("the collector issued a certificate that is not for this agent: {0}; report this to whoever runs the collector")]
    Issued(String),
}

/// Watching sockets, with what was added up so far.
pub struct Watch {
    sampler: Sampler,
    windows: Windows,
    latest: Result<Attribution, String>,
}

impl Watch {
    /// Goes on from these windows.
    pub fn new(windows: Windows) -> Self {
        Self { sampler: Sampler::default(), windows, latest: Err("the socket table was not read yet".to_owned()) }
    }

    /// Takes one sample. A failure is kept as the reason why sections are missing.
    pub fn sample(&mut self, root: &Root, now: Timestamp) {
        self.latest = self.sampler.sample_machine(root).map_err(|error| format!("the kernel's socket table: {error}"));
        if let Ok(sample) = &self.latest {
            self.windows.add(&sample.sightings, now);
        }
    }

    /// Collects these sections, all for `None`.
    pub fn collect(&self, root: &Root, now: Timestamp, only: Option<&[String]>) -> BTreeMap<String, Section> {
        let machine = Machine::new(root, now, &self.windows, self.latest.as_ref().map_err(Clone::clone));
        collect::collect(&machine, only)
    }
}

impl Agent {
    /// The agent whose state is in `state`.
    ///
    /// # Errors
    /// [`CycleError::NotEnrolled`], or if the state cannot be used.
    pub fn open(state: StateDirectory, spool_limit: u64, disabled: Vec<String>) -> Result<Self, CycleError> {
        let identity = state.identity()?.ok_or(CycleError::NotEnrolled)?;
        let key = state.key()?.ok_or(CycleError::NotEnrolled)?;
        let mut progress = state.progress()?;
        let spool = Spool::new(state.spool(), spool_limit);
        let windows = spool.windows().unwrap_or_else(|error| {
            note_damage(&mut progress, &error);
            Windows::default()
        });
        let client = Client::with_credentials(identity.collector_urls.clone(), &identity.credentials, &key, time(&progress))?;
        let watch = Watch::new(windows);
        let root = Root::new("/");
        Ok(Self { state, spool, root, disabled, identity, key, progress, client, watch, snapshot: None })
    }

    /// How far the agent has got.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Who the agent is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Takes one sample of the socket table.
    pub fn sample(&mut self) {
        self.watch.sample(&self.root, Timestamp::now());
    }

    /// Looks at the machine anew.
    pub fn collect(&mut self) {
        let names = collect::COLLECTORS.iter().map(|collector| collector.name.to_owned());
        let enabled: Vec<String> = names.filter(|name| !self.disabled.contains(name)).collect();
        let sections = self.watch.collect(&self.root, Timestamp::now(), Some(&enabled));
        let root = Digest::root(sections.iter().map(|(name, section)| (name.as_str(), section.digest)));
        if self.snapshot.as_ref().is_some_and(|old| !old.acknowledged && old.root != root) {
            self.progress.superseded += 1;
        }
        self.snapshot = Some(Snapshot { sections, root, windows: self.watch.windows.revision(), acknowledged: false });
    }

    /// Stores the windows of connections. A failure is logged: watching goes on in memory.
    pub fn store_windows(&self) {
        if let Err(error) = self.spool.set_windows(&self.watch.windows) {
            tracing::warn!(%error, "observed connections could not be stored and would be lost by a restart");
        }
    }

    /// One full exchange: the certificate where it is due, the document on its way, a check-in, and what the collector wants.
    ///
    /// # Errors
    /// See [`CycleError`]. What was acknowledged before the error stays acknowledged.
    pub async fn exchange(&mut self) -> Result<Exchanged, CycleError> {
        let result = match self.try_exchange().await {
            // An expired certificate is the one refusal that the agent can put right itself.
            Err(CycleError::Client(error)) if is_about_certificate(&error) => match self.recover(&error).await {
                Ok(()) => self.try_exchange().await,
                Err(error) => Err(error),
            },
            result => result,
        };
        let result = result.map_err(|error| self.judge(error));
        match &result {
            Ok(_) => {
                self.progress.held = None;
                self.progress.last_error = None;
            }
            Err(CycleError::Held(held)) => self.progress.held = Some(held.clone()),
            Err(error) => self.progress.last_error = Some(LastError { at: self.now(), message: error.to_string() }),
        }
        self.state.set_progress(&self.progress)?;
        result
    }

    async fn try_exchange(&mut self) -> Result<Exchanged, CycleError> {
        self.renew_if_due().await?;
        let mut sent = Vec::new();
        let mut refused = BTreeMap::new();
        // While held, nothing about the machine is sent; a check-in tells when that is over.
        if self.progress.held.is_none() {
            self.finish_upload(&mut sent, &mut refused).await?;
        }
        if self.snapshot.is_none() {
            self.collect();
        }
        let Some(snapshot) = &self.snapshot else { return Err(CycleError::NotEnrolled) };
        let exchange = self.progress.next_exchange();
        let request = CheckInRequest {
            format: VERSION,
            exchange,
            agent_version: VERSION_TEXT.to_owned(),
            sent_at: Timestamp::now(),
            root: snapshot.root,
            sections: snapshot.sections.iter().map(|(name, section)| (name.clone(), section.digest)).collect(),
            dropped_documents: self.progress.dropped_documents,
        };
        self.state.set_progress(&self.progress)?;
        let answer = self.client.check_in(&request).await?;
        self.learn_time(answer.server_time);
        self.progress.answered(exchange);
        self.progress.last_check_in = Some(answer.server_time);
        self.progress.held = None;
        // Only what is collected here is sent, whatever is asked for.
        let (wanted, lacking): (Vec<String>, Vec<String>) = answer.want.into_iter().partition(|name| request.sections.contains_key(name));
        if !lacking.is_empty() {
            tracing::info!(sections = ?lacking, "the collector wants sections that this agent does not collect; update the agent, or enable them");
        }
        let kept = request.sections.iter().filter(|(name, _)| !wanted.contains(name));
        self.progress.acknowledged = kept.map(|(name, digest)| (name.clone(), *digest)).collect();
        self.state.set_progress(&self.progress)?;
        for group in self.groups(wanted) {
            self.spool_upload(&group)?;
            self.finish_upload(&mut sent, &mut refused).await?;
        }
        self.settle();
        Ok(Exchanged { next_check_in: Duration::from_secs(u64::from(answer.next_check_in_seconds)), sent, refused })
    }

    /// All in one document, unless that would be beyond what a collector takes.
    fn groups(&self, wanted: Vec<String>) -> Vec<Vec<String>> {
        const ROOM_FOR_ENVELOPES: u64 = 1 << 20;
        let Some(snapshot) = &self.snapshot else { return Vec::new() };
        let size = |name: &String| snapshot.sections.get(name).map_or(0, |section| section.data.get().len() as u64);
        if wanted.is_empty() {
            return Vec::new();
        }
        if wanted.iter().map(size).sum::<u64>() + ROOM_FOR_ENVELOPES <= limits::INVENTORY.bytes {
            return vec![wanted];
        }
        wanted.into_iter().map(|name| vec![name]).collect()
    }

    fn spool_upload(&mut self, names: &[String]) -> Result<(), CycleError> {
        let Some(snapshot) = &self.snapshot else { return Ok(()) };
        let sections = names.iter().filter_map(|name| Some((name.clone(), snapshot.sections.get(name)?.clone()))).collect();
        let exchange = self.progress.next_exchange();
        self.state.set_progress(&self.progress)?;
        let (document, body) = client::document(sections, exchange, Timestamp::now())?;
        let header = UploadHeader { document_id: document.document_id, exchange, sections: names.to_vec() };
        match self.spool.set_upload(&Upload { header, body }) {
            Err(error @ SpoolError::Full { .. }) => {
                self.progress.dropped_documents += 1;
                Err(error.into())
            }
            other => Ok(other?),
        }
    }

    /// Sends the document on its way, if there is one, until it is acknowledged or refused for good.
    async fn finish_upload(&mut self, sent: &mut Vec<String>, refused: &mut BTreeMap<String, String>) -> Result<(), CycleError> {
        let upload = match self.spool.upload() {
            Ok(Some(upload)) => upload,
            Ok(None) => return Ok(()),
            Err(error @ SpoolError::Damaged { .. }) => {
                note_damage(&mut self.progress, &error);
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        // Acknowledged just before a crash, or left by an earlier enrollment.
        if upload.header.exchange.counter <= self.progress.answered || Some(upload.header.exchange.nonce) != self.progress.next_nonce {
            return Ok(self.spool.clear_upload()?);
        }
        match self.client.upload(&upload.body).await {
            Ok(answer) => {
                self.acknowledged(&upload.header, answer, sent, refused);
                self.state.set_progress(&self.progress)?;
                Ok(self.spool.clear_upload()?)
            }
            Err(error) => {
                // It will not become right by being sent again. The nonce is kept: whether the collector counted this
                // exchange or not, the next message with it is understood.
                if matches!(error.status(), Some(400 | 413 | 415 | 422)) {
                    tracing::error!(%error, sections = ?upload.header.sections, "the collector refused a document for good; it is not sent again");
                    self.spool.clear_upload()?;
                }
                Err(error.into())
            }
        }
    }

    fn acknowledged(
        &mut self,
        header: &UploadHeader,
        answer: InventoryResponse,
        sent: &mut Vec<String>,
        refused: &mut BTreeMap<String, String>,
    ) {
        self.learn_time(answer.server_time);
        self.progress.answered(header.exchange);
        self.progress.acknowledged = answer.known;
        if !answer.not_understood.is_empty() {
            tracing::info!(sections = ?answer.not_understood, "the collector keeps sections that it does not understand; update the collector");
        }
        for (name, problem) in answer.refused {
            let words = client::describe(&problem);
            tracing::error!(section = name, "{words}");
            refused.insert(name, words);
        }
        sent.extend(header.sections.iter().filter(|name| !refused.contains_key(*name)).cloned());
    }

    /// Notes what the collector now holds.
    fn settle(&mut self) {
        let Some(snapshot) = &mut self.snapshot else { return };
        let holds = |name: &str, section: &Section| self.progress.acknowledged.get(name) == Some(&section.digest);
        snapshot.acknowledged = snapshot.sections.iter().all(|(name, section)| holds(name, section));
        if snapshot.sections.get(Connections::NAME).is_some_and(|section| holds(Connections::NAME, section)) {
            self.watch.windows.acknowledge(snapshot.windows);
        }
    }

    /// Whether the collector holds the whole of the latest inventory.
    pub fn is_acknowledged(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|snapshot| snapshot.acknowledged)
    }

    /// Past half its life the certificate is replaced; past its end by proof of possession.
    async fn renew_if_due(&mut self) -> Result<(), CycleError> {
        let credentials = &self.identity.credentials;
        let now = self.now();
        if now >= credentials.not_after {
            let reason = format!("it ended {}", credentials.not_after);
            let url = self.identity.collector_urls.first().cloned();
            let Some(url) = url else { return Err(CycleError::NotEnrolled) };
            return self.recover(&ClientError::CertificateRefused { url, reason }).await;
        }
        let half = credentials.not_after.millis_since(credentials.issued_at) / 2;
        if now < credentials.issued_at.plus_millis(half) {
            return Ok(());
        }
        let generation = credentials.generation;
        let request = RenewRequest { nonce: self.renewal_nonce(generation)?, generation, csr: self.key.csr()? };
        match self.client.renew(&request).await {
            Ok(credentials) => self.install(credentials),
            // There is time left: work goes on with the certificate at hand.
            Err(error) if error.is_temporary() => {
                tracing::warn!(%error, not_after = %self.identity.credentials.not_after, "the certificate could not be renewed yet");
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn recover(&mut self, why: &ClientError) -> Result<(), CycleError> {
        tracing::warn!(reason = %why, "asking for a new certificate by proof of possession of the key");
        let Credentials { agent_id, generation, .. } = self.identity.credentials;
        let nonce = self.renewal_nonce(generation)?;
        let request = self.key.recovery(agent_id, generation, nonce)?;
        let trust = crate::tls::Trust::Root(client::root_of(&self.identity.credentials)?);
        let client = Client::anonymous(self.identity.collector_urls.clone(), trust, time(&self.progress))?;
        let credentials = client.recover(&request).await?;
        self.install(credentials)
    }

    /// The nonce for a renewal from this generation; stored before it is first sent.
    fn renewal_nonce(&mut self, generation: u64) -> Result<Uuid, CycleError> {
        if let Some((from, nonce)) = self.progress.renewal
            && from == generation
        {
            return Ok(nonce);
        }
        let nonce = Uuid::new_v4();
        self.progress.renewal = Some((generation, nonce));
        self.state.set_progress(&self.progress)?;
        Ok(nonce)
    }

    fn install(&mut self, credentials: Credentials) -> Result<(), CycleError> {
        check_issued(&credentials, &self.key).map_err(CycleError::Issued)?;
        if credentials.agent_id != self.identity.credentials.agent_id {
            return Err(CycleError::Issued("it names another agent".to_owned()));
        }
        // The root is the one trusted before: a collector cannot change whom the agent trusts by renewing.
        let credentials = Credentials { root: self.identity.credentials.root.clone(), ..credentials };
        let identity = Identity { credentials, ..self.identity.clone() };
        self.state.set_identity(&identity)?;
        self.learn_time(identity.credentials.server_time);
        self.progress.renewal = None;
        self.state.set_progress(&self.progress)?;
        self.client = Client::with_credentials(identity.collector_urls.clone(), &identity.credentials, &self.key, time(&self.progress))?;
        tracing::info!(generation = identity.credentials.generation, not_after = %identity.credentials.not_after, "the certificate was renewed");
        self.identity = identity;
        Ok(())
    }

    fn now(&self) -> Timestamp {
        clock::best(self.progress.server_time.as_ref(), &LocalTime::now())
    }

    fn learn_time(&mut self, server: Timestamp) {
        self.progress.server_time = Some(ServerTime::learned(server, &LocalTime::now()));
        self.client.set_time(time(&self.progress));
    }

    /// Tells "not now" from "not you".
    fn judge(&self, error: CycleError) -> CycleError {
        let CycleError::Client(ClientError::Refused { problem, .. }) = &error else { return error };
        if !matches!(problem.status, 403 | 409) {
            return error;
        }
        let since = self.progress.held.as_ref().map_or_else(|| self.now(), |held| held.since);
        CycleError::Held(Held {
            since,
            reason: client::describe(&rollcall_shared::wire::Problem { next_step: None, ..(**problem).clone() }),
            next_step: problem.next_step.clone(),
        })
    }
}

/// The time by which a collector's certificate is judged.
pub fn time(progress: &Progress) -> Time {
    let known = progress.server_time.as_ref();
    Time { best: clock::best(known, &LocalTime::now()), last_authenticated: known.map(|known| known.server) }
}

/// Checks that a certificate was issued for this key and not for another.
///
/// # Errors
/// What is wrong with it.
pub fn check_issued(credentials: &Credentials, key: &AgentKey) -> Result<(), String> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    use x509_parser::prelude::{FromDer, X509Certificate};
    let leaf = CertificateDer::from_pem_slice(credentials.certificate_chain.as_bytes()).map_err(|error| error.to_string())?;
    let (_, leaf) = X509Certificate::from_der(&leaf).map_err(|error| error.to_string())?;
    if leaf.tbs_certificate.subject_pki.raw != key.public_der() {
        return Err("its public key is another one".to_owned());
    }
    client::root_of(credentials).map(|_| ()).map_err(|error| error.to_string())
}

fn is_about_certificate(error: &ClientError) -> bool {
    matches!(error, ClientError::CertificateRefused { .. }) || error.status() == Some(401)
}

fn note_damage(progress: &mut Progress, error: &SpoolError) {
    progress.damaged += 1;
    tracing::warn!(%error, "a part of the spool was refused");
}
