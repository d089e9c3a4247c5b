//! A machine that reports over the real wire: enrolls, checks in, uploads what is wanted, renews.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{CertificateParams, KeyPair};
use reqwest::Url;
use rollcall_shared::{
    AgentId, Digest, DocumentId, Timestamp,
    wire::v1::{
        CheckInRequest, CheckInResponse, Credentials, EnrollRequest, EnrollResponse, EnrollmentToken, Exchange, InventoryResponse,
        RecoverRequest, RenewRequest, VERSION, paths,
    },
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Machine,
    machine::AGENT_VERSION,
    wire::{Identity, WireClient, WireError},
};

/// How an agent counts its exchanges: the counter moves on only when an answer has arrived, retries carry the same nonce.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Exchanges {
    answered: u64,
    /// Made at the first try, so that a copy made between two exchanges makes its own.
    nonce: Option<Uuid>,
}

impl Exchanges {
    /// The exchange to send, again and again until it is answered.
    pub fn current(&mut self) -> Exchange {
        Exchange { counter: self.answered + 1, nonce: *self.nonce.get_or_insert_with(Uuid::new_v4) }
    }

    /// The answer has arrived.
    pub fn answered(&mut self) {
        *self = Self { answered: self.answered + 1, nonce: None };
    }
}

/// A simulated agent with its machine, key and credentials. Its clone is what a copied state directory is.
#[derive(Clone)]
pub struct SimulatedAgent {
    /// The machine it reports.
    pub machine: Machine,
    /// Its key, PEM.
    pub key: String,
    /// What it was issued.
    pub credentials: Credentials,
    /// Its counter.
    pub exchanges: Exchanges,
    /// Documents that were acknowledged.
    pub acknowledged: Vec<DocumentId>,
    url: Url,
    root_pin: String,
    client: WireClient,
    /// A document that was sent and not answered yet: sent again as it is.
    unanswered: Option<(DocumentId, Vec<u8>)>,
}

/// What an agent must not lose: with it, it goes on where it was after a restart.
#[derive(Clone, Serialize, Deserialize)]
pub struct SavedAgent {
    key: String,
    credentials: Credentials,
    exchanges: Exchanges,
    url: String,
    root_pin: String,
}

/// An enrollment request as an honest agent would send it, and the key behind it.
///
/// # Errors
/// [`WireError::Local`] if no key can be made.
pub fn enroll_request(token: &EnrollmentToken, machine: &Machine) -> Result<(EnrollRequest, KeyPair), WireError> {
    let key = KeyPair::generate().map_err(|error| WireError::Local(error.to_string()))?;
    let request = EnrollRequest {
        token_id: token.id,
        token_secret: token.secret.clone(),
        nonce: Uuid::new_v4(),
        csr: csr(&key, CertificateParams::default())?,
        agent_version: AGENT_VERSION.to_owned(),
        identity: machine.identity.clone(),
    };
    Ok((request, key))
}

/// A signing request with these parameters, as the wire carries it.
///
/// # Errors
/// [`WireError::Local`] if it cannot be signed.
pub fn csr(key: &KeyPair, params: CertificateParams) -> Result<String, WireError> {
    let request = params.serialize_request(key).map_err(|error| WireError::Local(error.to_string()))?;
    Ok(STANDARD.encode(request.der()))
}

impl SimulatedAgent {
    /// Enrolls this machine; waits for nothing: a token that wants approval is an error here.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn enroll(token: &EnrollmentToken, machine: Machine) -> Result<Self, WireError> {
        let url = token.urls.first().ok_or_else(|| WireError::Local("the token names no address".into()))?;
        let client = WireClient::new(url, &token.root_pin, None)?;
        let (request, key) = enroll_request(token, &machine)?;
        match client.post(paths::ENROLL, &request).await? {
            EnrollResponse::Issued(credentials) => Self::joined(token, machine, &key.serialize_pem(), credentials),
            EnrollResponse::Pending { .. } => Err(WireError::Local("the token wants approval".into())),
        }
    }

    /// An agent that already has its credentials.
    ///
    /// # Errors
    /// [`WireError::Local`] if they cannot be used.
    pub fn joined(token: &EnrollmentToken, machine: Machine, key: &str, credentials: Credentials) -> Result<Self, WireError> {
        let url = token.urls.first().ok_or_else(|| WireError::Local("the token names no address".into()))?;
        let client = WireClient::new(url, &token.root_pin, Some(Identity { chain: &credentials.certificate_chain, key }))?;
        Ok(Self {
            machine,
            key: key.to_owned(),
            credentials,
            exchanges: Exchanges::default(),
            acknowledged: Vec::new(),
            url: url.clone(),
            root_pin: token.root_pin.clone(),
            client,
            unanswered: None,
        })
    }

    /// What it must save before it sends anything: its next exchange is part of it, so that it is sent again as it was if the answer is lost.
    pub fn saved(&mut self) -> SavedAgent {
        self.exchanges.current();
        SavedAgent {
            key: self.key.clone(),
            credentials: self.credentials.clone(),
            exchanges: self.exchanges,
            url: self.url.to_string(),
            root_pin: self.root_pin.clone(),
        }
    }

    /// The agent that goes on with what was saved.
    ///
    /// # Errors
    /// [`WireError::Local`] if the credentials cannot be used.
    pub fn restored(saved: SavedAgent, machine: Machine) -> Result<Self, WireError> {
        let SavedAgent { key, credentials, exchanges, url, root_pin } = saved;
        let url = Url::parse(&url).map_err(|error| WireError::Local(error.to_string()))?;
        let client = WireClient::new(&url, &root_pin, Some(Identity { chain: &credentials.certificate_chain, key: &key }))?;
        Ok(Self { machine, key, credentials, exchanges, acknowledged: Vec::new(), url, root_pin, client, unanswered: None })
    }

    /// Its id.
    pub fn id(&self) -> AgentId {
        self.credentials.agent_id
    }

    /// The mutual TLS connection, for requests that no honest agent would send.
    pub fn client(&self) -> &WireClient {
        &self.client
    }

    /// Reports to another address from now on (the collector behind a proxy, or started again on another port).
    ///
    /// # Errors
    /// [`WireError::Local`] if the credentials cannot be used.
    pub fn move_to(&mut self, url: &Url) -> Result<(), WireError> {
        self.url = url.clone();
        self.connect()
    }

    /// Forgets open connections and TLS sessions, as a restarted agent does.
    ///
    /// # Errors
    /// [`WireError::Local`] if the credentials cannot be used.
    pub fn connect(&mut self) -> Result<(), WireError> {
        let identity = Identity { chain: &self.credentials.certificate_chain, key: &self.key };
        self.client = WireClient::new(&self.url, &self.root_pin, Some(identity))?;
        Ok(())
    }

    /// The check-in that it would send at `now`.
    pub fn check_in_request(&mut self, now: Timestamp) -> CheckInRequest {
        let sections: BTreeMap<String, Digest> = self.machine.digests(now);
        CheckInRequest {
            format: VERSION,
            exchange: self.exchanges.current(),
            agent_version: AGENT_VERSION.to_owned(),
            sent_at: now,
            root: Digest::root(sections.iter().map(|(name, digest)| (name.as_str(), *digest))),
            sections,
            dropped_documents: 0,
            superseded_inventories: 0,
        }
    }

    /// One check-in.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn check_in(&mut self) -> Result<CheckInResponse, WireError> {
        let request = self.check_in_request(Timestamp::now());
        let answer = self.client.post(paths::CHECK_IN, &request).await?;
        self.exchanges.answered();
        Ok(answer)
    }

    /// Uploads the sections that `wanted` names, or all. What was sent before and not answered is sent first, unchanged.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn upload(&mut self, wanted: Option<&[String]>) -> Result<InventoryResponse, WireError> {
        if self.unanswered.is_none() {
            let document = self.machine.document(self.exchanges.current(), Timestamp::now(), wanted);
            let json = serde_json::to_vec(&document).map_err(|error| WireError::Local(error.to_string()))?;
            let body = zstd::encode_all(json.as_slice(), 3).map_err(|error| WireError::Local(error.to_string()))?;
            self.unanswered = Some((document.document_id, body));
        }
        let Some((id, body)) = self.unanswered.clone() else { return Err(WireError::Local("nothing to send".into())) };
        let answer = self.client.post_compressed(paths::INVENTORY, body).await;
        match &answer {
            Ok(_) => {
                self.unanswered = None;
                self.acknowledged.push(id);
                self.exchanges.answered();
            }
            // A refused document is not sent again.
            Err(WireError::Refused { status, .. }) if status.is_client_error() && status.as_u16() != 429 => self.unanswered = None,
            Err(_) => {}
        }
        answer
    }

    /// One whole report: what is unanswered, a check-in, and what the collector wants. Returns the sections it wanted.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn report(&mut self) -> Result<Vec<String>, WireError> {
        if self.unanswered.is_some() {
            self.upload(None).await?;
        }
        let answer = self.check_in().await?;
        if !answer.want.is_empty() {
            self.upload(Some(&answer.want)).await?;
        }
        Ok(answer.want)
    }

    /// A renewal request with this nonce.
    ///
    /// # Errors
    /// [`WireError::Local`] if the key cannot be used.
    pub fn renew_request(&self, nonce: Uuid) -> Result<RenewRequest, WireError> {
        let key = KeyPair::from_pem(&self.key).map_err(|error| WireError::Local(error.to_string()))?;
        Ok(RenewRequest { nonce, generation: self.credentials.generation, csr: csr(&key, CertificateParams::default())? })
    }

    /// Renews the certificate and uses the new one from now on.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn renew(&mut self) -> Result<(), WireError> {
        let request = self.renew_request(Uuid::new_v4())?;
        self.credentials = self.client.post(paths::RENEW, &request).await?;
        self.connect()
    }

    /// Gets a new certificate without showing the old one, by proof of possession of the key.
    ///
    /// # Errors
    /// See [`WireError`].
    pub async fn recover(&mut self) -> Result<(), WireError> {
        let renew = self.renew_request(Uuid::new_v4())?;
        let message = rollcall_shared::wire::v1::recover_message(self.id(), renew.generation, renew.nonce);
        let key = KeyPair::from_pem(&self.key).map_err(|error| WireError::Local(error.to_string()))?;
        let signature = rcgen::SigningKey::sign(&key, &message).map_err(|error| WireError::Local(error.to_string()))?;
        let request = RecoverRequest { agent_id: self.id(), renew, signature: STANDARD.encode(signature) };
        let anonymous = WireClient::new(&self.url, &self.root_pin, None)?;
        self.credentials = anonymous.post(paths::RECOVER, &request).await?;
        self.connect()
    }
}
