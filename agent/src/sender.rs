//! The half that talks to the collector: check in, send what is wanted, renew. It reads the spool and its own state, and
//! nothing else of the machine.

use std::{collections::BTreeMap, io, time::Duration};

use rollcall_shared::{
    Digest, Timestamp,
    wire::{
        limits,
        v1::{CheckInRequest, CheckInResponse, Credentials, InventoryResponse, RenewRequest, Section, SectionStatus, VERSION},
    },
};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    announced::Announcements,
    client::{self, Client, ClientError, Route, VERSION_TEXT},
    clock::{self, LocalTime, ServerTime},
    keys::{AgentKey, KeyError},
    settings::Settings,
    spool::{Acknowledged, Planned, ReaderFiles, SenderFiles, Snapshot, SpoolError, Upload, UploadHeader},
    state::{Held, Identity, LastError, Progress, StateDirectory, StateError},
    tls::Time,
};

/// The sending half of an enrolled agent.
pub struct Sender {
    state: StateDirectory,
    own: SenderFiles,
    others: ReaderFiles,
    identity: Identity,
    key: AgentKey,
    progress: Progress,
    client: Client,
    route: Route,
    /// An inventory older than this tells nothing about the machine as it is.
    stale_after: Duration,
    /// Whether the collector holds all of the inventory last sent.
    acknowledged: bool,
    /// What the reading half was told that the collector holds.
    told: BTreeMap<String, Digest>,
    /// Devices of the local network are listened to.
    announcements: Option<Announcements>,
}

/// An inventory as it is reported.
struct Report {
    digests: BTreeMap<String, Digest>,
    superseded: u64,
    dropped: u64,
    content: Content,
}

enum Content {
    Fresh(Snapshot),
    /// The reading process has stopped reporting: that is what is reported. Failed is not absent.
    Stale(BTreeMap<String, Section>),
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
    /// There is nothing to report yet.
    #[error("no inventory has been collected yet; see that the reading process runs: systemctl status rollcall-agent-reader")]
    NothingCollected,
    /// The settings.
    #[error("{0}")]
    Settings(String),
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

impl Sender {
    /// The sending half whose state is in `state`. Damaged files of its own are removed and counted.
    ///
    /// # Errors
    /// [`CycleError::NotEnrolled`], or if the state cannot be used.
    pub fn open(state: StateDirectory, settings: &Settings) -> Result<Self, CycleError> {
        let mut identity = state.identity()?.ok_or(CycleError::NotEnrolled)?;
        let key = state.key()?.ok_or(CycleError::NotEnrolled)?;
        let mut progress = state.progress()?;
        let spool = settings.spool();
        let own = spool.sender();
        progress.damaged += own.remove_damaged();
        let wrong = |error: anyhow::Error| CycleError::Settings(format!("{error:#}"));
        let urls = settings.collector_urls().map_err(wrong)?;
        if !urls.is_empty() {
            identity.collector_urls = urls;
        }
        let route = Route { proxy: settings.proxy().map_err(wrong)?, return_to_first: settings.failover_return() };
        let client =
            Client::with_credentials(identity.collector_urls.clone(), &identity.credentials, &key, time(&progress), route.clone())?;
        // A reader looks at the machine for each check-in; missing many of them, it does not work any more.
        let stale_after = Duration::from_secs(3_600).max(settings.inventory_interval().saturating_mul(4));
        let told = own.acknowledged().unwrap_or_default().sections;
        let others = spool.reader();
        Ok(Self { state, own, others, identity, key, progress, client, route, stale_after, acknowledged: false, told, announcements: None })
    }

    /// Hears from now on what devices of the local network announce, or forgets what was heard. Only inside a runtime.
    pub fn hear_announcements(&mut self, wanted: bool) {
        self.announcements = wanted.then(|| Announcements::new(&self.own));
        if !wanted && let Err(error) = self.own.clear_announced() {
            tracing::warn!(%error, "what devices announced before is still there, and is not reported");
        }
    }

    /// Waits until there is something to [`Self::attend`] to; for ever where nothing is listened to.
    pub async fn disturbed(&mut self) {
        match &mut self.announcements {
            Some(announcements) => announcements.disturbed().await,
            None => std::future::pending().await,
        }
    }

    /// Hears what was announced.
    pub fn attend(&mut self) {
        if let Some(announcements) = &mut self.announcements {
            announcements.attend(&self.own);
        }
    }

    /// How far the agent has got.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Who the agent is.
    pub fn identity(&self) -> &Identity {
        &self.identity
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
        if self.progress.acknowledged != self.told {
            self.tell(None);
        }
        result
    }

    /// The next check-in is planned after this time: the reading half looks at the machine shortly before.
    pub fn plan(&mut self, wait: Duration) {
        let at = LocalTime::now();
        let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        self.tell(Some(Planned { since_boot: at.since_boot.saturating_add(wait), boot_id: at.boot_id }));
    }

    /// Tells the reading half what the collector holds. If that fails, it keeps more than it must.
    fn tell(&mut self, next: Option<Planned>) {
        let acknowledged = Acknowledged { sections: self.progress.acknowledged.clone(), next };
        match self.own.set_acknowledged(&acknowledged) {
            Ok(()) => self.told = acknowledged.sections,
            Err(error) => tracing::warn!(%error, "the reading half does not hear what was acknowledged"),
        }
    }

    /// The newest inventory.
    fn report(&self) -> Result<Report, CycleError> {
        let snapshot = self.others.inventory()?.ok_or(CycleError::NothingCollected)?;
        let at = LocalTime::now();
        let age = snapshot.age(&at).unwrap_or_else(|| at.local.millis_since(snapshot.collected_at()));
        let counts = snapshot.counts();
        let is_stale = u64::try_from(age).is_ok_and(|age| u128::from(age) > self.stale_after.as_millis());
        let content = match is_stale {
            false => Content::Fresh(snapshot),
            true => {
                let at = snapshot.collected_at();
                tracing::error!(since = %at, "the reading process has stopped reporting; see: systemctl status rollcall-agent-reader");
                let reason = format!("the agent's reading process has not reported since {at}");
                let section = |(name, _): (&str, Digest)| Ok((name.to_owned(), not_read(reason.clone(), at)?));
                Content::Stale(snapshot.digests().map(section).collect::<io::Result<_>>()?)
            }
        };
        let digests = match &content {
            Content::Fresh(snapshot) => snapshot.digests().map(|(name, digest)| (name.to_owned(), digest)).collect(),
            Content::Stale(sections) => sections.iter().map(|(name, section)| (name.clone(), section.digest)).collect(),
        };
        Ok(Report { digests, superseded: counts.superseded, dropped: counts.dropped, content })
    }

    async fn try_exchange(&mut self) -> Result<Exchanged, CycleError> {
        self.renew_if_due().await?;
        let mut sent = Vec::new();
        let mut refused = BTreeMap::new();
        // While held, nothing about the machine is sent; a check-in tells when that is over.
        if self.progress.held.is_none() {
            self.finish_upload(&mut sent, &mut refused).await?;
        }
        let report = self.report()?;
        // What the collector is believed to hold is said in one digest; it asks for the others if that is wrong.
        let is_known = self.progress.acknowledged == report.digests;
        let mut answer = self.check_in(&report, if is_known { BTreeMap::new() } else { report.digests.clone() }).await?;
        if is_known && answer.list_sections {
            answer = self.check_in(&report, report.digests.clone()).await?;
        }
        // Only what is collected here is sent, whatever is asked for.
        let (wanted, lacking): (Vec<String>, Vec<String>) = answer.want.into_iter().partition(|name| report.digests.contains_key(name));
        if !lacking.is_empty() {
            tracing::info!(sections = ?lacking, "the collector wants sections that this agent does not collect; update the agent, or enable them");
        }
        let kept = report.digests.iter().filter(|(name, _)| !wanted.contains(name));
        self.progress.acknowledged = kept.map(|(name, digest)| (name.clone(), *digest)).collect();
        self.state.set_progress(&self.progress)?;
        for group in report.groups(wanted) {
            self.spool_upload(&report, &group)?;
            self.finish_upload(&mut sent, &mut refused).await?;
        }
        let holds = |(name, digest): (&String, &Digest)| self.progress.acknowledged.get(name) == Some(digest);
        self.acknowledged = report.digests.iter().all(holds);
        Ok(Exchanged { next_check_in: Duration::from_secs(u64::from(answer.next_check_in_seconds)), sent, refused })
    }

    /// One check-in that lists these sections; answered, it is noted.
    async fn check_in(&mut self, report: &Report, sections: BTreeMap<String, Digest>) -> Result<CheckInResponse, CycleError> {
        let exchange = self.progress.next_exchange();
        let request = CheckInRequest {
            format: VERSION,
            exchange,
            agent_version: VERSION_TEXT.to_owned(),
            sent_at: Timestamp::now(),
            root: Digest::root(report.digests.iter().map(|(name, digest)| (name.as_str(), *digest))),
            sections,
            dropped_documents: self.progress.dropped_documents.saturating_add(report.dropped),
            superseded_inventories: report.superseded,
        };
        self.state.set_progress(&self.progress)?;
        let answer = self.client.check_in(&request).await?;
        self.learn_time(answer.server_time);
        self.progress.answered(exchange);
        self.progress.last_check_in = Some(answer.server_time);
        self.progress.held = None;
        self.state.set_progress(&self.progress)?;
        Ok(answer)
    }

    fn spool_upload(&mut self, report: &Report, names: &[String]) -> Result<(), CycleError> {
        let sections: BTreeMap<String, Section> = names
            .iter()
            .filter_map(|name| Some(report.section(name).transpose()?.map(|section| (name.clone(), section))))
            .collect::<io::Result<_>>()?;
        let exchange = self.progress.next_exchange();
        self.state.set_progress(&self.progress)?;
        let document = client::document(sections, exchange, Timestamp::now());
        let body = client::compressed(&document)?;
        let header = UploadHeader { document_id: document.document_id, exchange, sections: names.to_vec() };
        drop(document);
        match self.own.set_upload(&Upload { header, body }) {
            Err(error @ SpoolError::Full { .. }) => {
                self.progress.dropped_documents += 1;
                Err(error.into())
            }
            other => Ok(other?),
        }
    }

    /// Sends the document on its way, if there is one, until it is acknowledged or refused for good.
    async fn finish_upload(&mut self, sent: &mut Vec<String>, refused: &mut BTreeMap<String, String>) -> Result<(), CycleError> {
        let upload = match self.own.upload() {
            Ok(Some(upload)) => upload,
            Ok(None) => return Ok(()),
            Err(SpoolError::Damaged { .. } | SpoolError::Untrusted { .. }) => {
                self.progress.damaged += self.own.remove_damaged();
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        // Acknowledged just before a crash, or left by an earlier enrollment.
        if upload.header.exchange.counter <= self.progress.answered || Some(upload.header.exchange.nonce) != self.progress.next_nonce {
            return Ok(self.own.clear_upload()?);
        }
        match self.client.upload(&upload.body).await {
            Ok(answer) => {
                self.acknowledged(&upload.header, answer, sent, refused);
                self.state.set_progress(&self.progress)?;
                Ok(self.own.clear_upload()?)
            }
            Err(error) => {
                // It will not become right by being sent again. The nonce is kept: whether the collector counted this
                // exchange or not, the next message with it is understood.
                if matches!(error.status(), Some(400 | 413 | 415 | 422)) {
                    tracing::error!(%error, sections = ?upload.header.sections, "the collector refused a document for good; it is not sent again");
                    self.own.clear_upload()?;
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

    /// Whether the collector holds the whole of the latest inventory.
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged
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
        let client = Client::anonymous(self.identity.collector_urls.clone(), trust, time(&self.progress), self.route.clone())?;
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
        // What is stored are the token's addresses; settings are not made permanent.
        let stored = self.state.identity()?.ok_or(CycleError::NotEnrolled)?;
        self.state.set_identity(&Identity { credentials: credentials.clone(), ..stored })?;
        let identity = Identity { credentials, ..self.identity.clone() };
        self.learn_time(identity.credentials.server_time);
        self.progress.renewal = None;
        self.state.set_progress(&self.progress)?;
        let urls = identity.collector_urls.clone();
        self.client = Client::with_credentials(urls, &identity.credentials, &self.key, time(&self.progress), self.route.clone())?;
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

fn not_read(reason: String, since: Timestamp) -> io::Result<Section> {
    let status = SectionStatus::Failed { reason };
    let digest = Section::digest_of(&status, b"null")?;
    Ok(Section { status, collected_at: since, duration_ms: 0, digest, data: RawValue::NULL.to_owned() })
}

impl Report {
    /// All in one document, unless that would be beyond what a collector takes.
    fn groups(&self, wanted: Vec<String>) -> Vec<Vec<String>> {
        const ROOM_FOR_ENVELOPES: u64 = 1 << 20;
        let size = |name: &String| match &self.content {
            Content::Fresh(snapshot) => snapshot.size(name),
            Content::Stale(sections) => sections.get(name).map_or(0, |section| section.data.get().len() as u64),
        };
        if wanted.is_empty() {
            return Vec::new();
        }
        if wanted.iter().map(size).sum::<u64>() + ROOM_FOR_ENVELOPES <= limits::INVENTORY.bytes {
            return vec![wanted];
        }
        wanted.into_iter().map(|name| vec![name]).collect()
    }

    fn section(&self, name: &str) -> io::Result<Option<Section>> {
        match &self.content {
            Content::Fresh(snapshot) => snapshot.section(name),
            Content::Stale(sections) => Ok(sections.get(name).cloned()),
        }
    }
}
