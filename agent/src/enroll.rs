//! Joining a collector.

use std::time::{Duration, Instant};

use rollcall_shared::{
    Timestamp,
    wire::v1::{
        Credentials, EnrollRequest, EnrollResponse, EnrollmentToken, Identity as IdentitySection, Section, SectionData, TokenError,
    },
};
use url::Url;
use uuid::Uuid;

use crate::{
    backoff::Backoff,
    client::{self, Client, ClientError, Route, VERSION_TEXT},
    clock::{LocalTime, ServerTime},
    cycle::{self, Watch},
    files::Root,
    keys::KeyError,
    observe::Windows,
    spool::Snapshot,
    state::{Enrollment, Identity, Progress, StateDirectory, StateError},
    tls::{self, Time, Trust},
};

/// Joining failed.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// The machine is enrolled with another collector, or its collector takes nothing from it.
    #[error(
        "this machine is enrolled as agent {agent}{why}; to join anew as another agent, run: rollcall-agent enroll --again --token TOKEN"
    )]
    AlreadyEnrolled {
        /// As which agent.
        agent: rollcall_shared::AgentId,
        /// Why that is not what was asked for.
        why: String,
    },
    /// No token was given, and no enrollment was begun.
    #[error("an enrollment token is needed; create one with: rollcall token create")]
    NoToken,
    /// The token cannot be read.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The collector.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The machine does not tell who it is.
    #[error("this machine's identity could not be collected: {0}")]
    Identity(String),
    /// The collector issued something unusable.
    #[error("the collector issued a certificate that is not for this agent: {0}; report this to whoever runs the collector")]
    Issued(String),
}

/// How far it came.
#[derive(Debug)]
pub enum Enrolled {
    /// The machine has joined.
    Joined(Box<Identity>),
    /// The machine had joined this collector before; nothing was done.
    Already(Box<Identity>),
    /// A person has to approve first, and the time to wait is over.
    Pending,
}

/// What a machine joins with.
pub struct Joining<'a> {
    /// The token; `None` to go on with the enrollment that was begun.
    pub token: Option<&'a str>,
    /// The machine.
    pub machine: IdentitySection,
    /// Where the collector is; empty for the token's addresses.
    pub urls: Vec<Url>,
    /// How to get there.
    pub route: Route,
    /// How long to try while the collector cannot be reached or approval is pending.
    pub patience: Duration,
}

/// Joins with a token, or goes on with the enrollment that was begun. `told` hears what is waited for.
///
/// # Errors
/// See [`EnrollError`].
pub async fn enroll(state: &StateDirectory, joining: Joining<'_>, mut told: impl FnMut(&str)) -> Result<Enrolled, EnrollError> {
    if let Some(identity) = state.identity()? {
        return already(state, joining.token, identity);
    }
    let begun = begin(state, joining.token)?;
    let token = EnrollmentToken::parse(&begun.token)?;
    let key = state.key_or_new()?;
    let request = EnrollRequest {
        token_id: token.id,
        token_secret: token.secret.clone(),
        nonce: begun.nonce,
        csr: key.csr()?,
        agent_version: VERSION_TEXT.to_owned(),
        identity: joining.machine,
    };
    let time = Time { best: Timestamp::now(), last_authenticated: None };
    let urls = if joining.urls.is_empty() { token.urls.clone() } else { joining.urls };
    let client = Client::anonymous(urls, Trust::Pin(token.root_pin.clone()), time, joining.route)?;
    let deadline = Instant::now() + joining.patience;
    let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60));
    loop {
        let (wait, why) = match client.enroll(&request).await {
            Ok(EnrollResponse::Issued(credentials)) => return finish(state, &token, credentials, &key),
            Ok(EnrollResponse::Pending { retry_after_seconds }) => {
                backoff.reset();
                let wait = Duration::from_secs(u64::from(retry_after_seconds).clamp(1, 3_600));
                if Instant::now() + wait >= deadline {
                    return Ok(Enrolled::Pending);
                }
                (wait, "waiting for approval: somebody has to approve this machine on the collector's enrollment page, or with: rollcall agent approve".to_owned())
            }
            Err(error) if error.is_temporary() => {
                let wait = backoff.next(error.retry_after());
                if Instant::now() + wait >= deadline {
                    return Err(error.into());
                }
                (wait, format!("{error}; trying again in {} s", wait.as_secs().max(1)))
            }
            Err(error) => {
                // For whoever asks later what stops this machine.
                state.set_enrollment(&Enrollment { refused: Some(error.to_string()), ..begun })?;
                return Err(error.into());
            }
        };
        told(&why);
        tokio::time::sleep(wait).await;
    }
}

/// Asked to join what it has joined, an agent that is well has nothing to do.
fn already(state: &StateDirectory, token: Option<&str>, identity: Identity) -> Result<Enrolled, EnrollError> {
    let agent = identity.credentials.agent_id;
    let own_pin = tls::spki_pin(&client::root_of(&identity.credentials)?);
    let asked_pin = token.map(EnrollmentToken::parse).transpose()?.map(|token| token.root_pin);
    if asked_pin.is_some() && asked_pin != own_pin {
        return Err(EnrollError::AlreadyEnrolled { agent, why: " with another collector".to_owned() });
    }
    if let Some(held) = state.progress()?.held {
        return Err(EnrollError::AlreadyEnrolled { agent, why: format!(", but {}", held.reason) });
    }
    Ok(Enrolled::Already(Box::new(identity)))
}

/// The same token goes on with the same nonce, so that a lost answer costs no second use of it.
fn begin(state: &StateDirectory, token: Option<&str>) -> Result<Enrollment, EnrollError> {
    let begun = state.enrollment()?;
    let token = match (token, &begun) {
        (Some(token), _) => token.trim(),
        (None, Some(begun)) => return Ok(begun.clone()),
        (None, None) => return Err(EnrollError::NoToken),
    };
    EnrollmentToken::parse(token)?;
    if let Some(begun) = begun.filter(|begun| begun.token == token) {
        return Ok(begun);
    }
    let new = Enrollment { token: token.to_owned(), nonce: Uuid::new_v4(), refused: None };
    state.set_enrollment(&new)?;
    Ok(new)
}

/// This machine, looked at now.
///
/// # Errors
/// [`EnrollError::Identity`] if it does not tell who it is.
pub fn this_machine() -> Result<IdentitySection, EnrollError> {
    let only = [IdentitySection::NAME.to_owned()];
    let mut sections = Watch::new(Windows::default()).collect(&Root::new("/"), Timestamp::now(), Some(&only));
    machine_of(sections.remove(IdentitySection::NAME))
}

/// The machine that the reading process has looked at.
///
/// # Errors
/// [`EnrollError::Identity`] if it does not tell who it is.
pub fn machine_in(snapshot: &Snapshot) -> Result<IdentitySection, EnrollError> {
    machine_of(snapshot.section(IdentitySection::NAME).map_err(|error| EnrollError::Identity(error.to_string()))?)
}

fn machine_of(section: Option<Section>) -> Result<IdentitySection, EnrollError> {
    let section = section.ok_or_else(|| EnrollError::Identity("it was not collected".to_owned()))?;
    let identity = section.parse().map_err(|problem| EnrollError::Identity(problem.detail))?;
    identity.ok_or_else(|| EnrollError::Identity(format!("{:?}", section.status)))
}

fn finish(
    state: &StateDirectory,
    token: &EnrollmentToken,
    credentials: Credentials,
    key: &crate::keys::AgentKey,
) -> Result<Enrolled, EnrollError> {
    cycle::check_issued(&credentials, key).map_err(EnrollError::Issued)?;
    let root = client::root_of(&credentials)?;
    if tls::spki_pin(&root).as_ref() != Some(&token.root_pin) {
        return Err(EnrollError::Issued("its root is not the one that the token names".to_owned()));
    }
    let server_time = ServerTime::learned(credentials.server_time, &LocalTime::now());
    // A new agent's exchanges count from one. Progress goes first: an identity with another agent's progress would look copied.
    state.set_progress(&Progress { server_time: Some(server_time), ..Progress::default() })?;
    let identity = Identity { collector_urls: token.urls.clone(), credentials };
    state.set_identity(&identity)?;
    state.clear_enrollment()?;
    Ok(Enrolled::Joined(Box::new(identity)))
}
