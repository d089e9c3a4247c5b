//! A collector that answers as it is told and remembers what it was asked.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    SubjectPublicKeyInfo,
};
use rollcall_shared::{
    AgentId, Timestamp, TokenId,
    wire::{
        Problem,
        v1::{Credentials, EnrollmentToken},
    },
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

const DAY: i64 = 86_400_000;

/// A certificate authority with a root and two intermediates.
pub(crate) struct Pki {
    pub(crate) root: Certificate,
    collectors: (Certificate, Issuer<'static, KeyPair>),
    agents: (Certificate, Issuer<'static, KeyPair>),
}

/// What a certificate says, in days from now.
pub(crate) struct Leaf<'a> {
    pub(crate) name: &'a str,
    pub(crate) from: i64,
    pub(crate) until: i64,
    pub(crate) usages: &'a [ExtendedKeyUsagePurpose],
    /// Issued by the agents' intermediate instead of the collectors'.
    pub(crate) by_agents: bool,
}

impl Default for Leaf<'_> {
    fn default() -> Self {
        Self { name: "127.0.0.1", from: -1, until: 29, usages: &[ExtendedKeyUsagePurpose::ServerAuth], by_agents: false }
    }
}

fn at(days: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(Timestamp::now().as_millis() / 1_000 + days * DAY / 1_000).unwrap()
}

fn authority(name: &str, usages: &[ExtendedKeyUsagePurpose]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.extended_key_usages = usages.to_vec();
    (params.not_before, params.not_after) = (at(-4_000), at(4_000));
    params
}

impl Pki {
    pub(crate) fn new() -> Self {
        let root_key = KeyPair::generate().unwrap();
        let root_params = authority("root", &[]);
        let root = root_params.self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(root_params, root_key);
        let intermediate = |name: &str, usage: ExtendedKeyUsagePurpose| {
            let key = KeyPair::generate().unwrap();
            let params = authority(name, &[usage]);
            (params.signed_by(&key, &root_issuer).unwrap(), Issuer::new(params, key))
        };
        Self {
            collectors: intermediate("collectors", ExtendedKeyUsagePurpose::ServerAuth),
            agents: intermediate("agents", ExtendedKeyUsagePurpose::ClientAuth),
            root,
        }
    }

    pub(crate) fn pin(&self) -> String {
        rollcall_agent::tls::spki_pin(self.root.der()).unwrap()
    }

    /// A collector's chain with the root, and its key.
    pub(crate) fn server(&self, leaf: &Leaf<'_>) -> (Vec<CertificateDer<'static>>, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![match leaf.name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(leaf.name.try_into().unwrap()),
        }];
        params.extended_key_usages = leaf.usages.to_vec();
        (params.not_before, params.not_after) = (at(leaf.from), at(leaf.until));
        let (intermediate, issuer) = if leaf.by_agents { &self.agents } else { &self.collectors };
        let certificate = params.signed_by(&key, issuer).unwrap();
        (vec![certificate.der().clone(), intermediate.der().clone(), self.root.der().clone()], key)
    }

    /// A certificate for the key in a CSR, valid from and until these days from now.
    pub(crate) fn issue(&self, csr: &str, agent_id: AgentId, generation: u64, (from, until): (i64, i64)) -> Credentials {
        use x509_parser::prelude::{FromDer, X509CertificationRequest};
        let der = base64::engine::general_purpose::STANDARD.decode(csr).unwrap();
        let (_, request) = X509CertificationRequest::from_der(&der).unwrap();
        request.verify_signature().unwrap();
        let key = SubjectPublicKeyInfo::from_der(request.certification_request_info.subject_pki.raw).unwrap();
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![SanType::URI(format!("rollcall:agent:{agent_id}:{generation}").as_str().try_into().unwrap())];
        (params.not_before, params.not_after) = (at(from), at(until));
        let certificate = params.signed_by(&key, &self.agents.1).unwrap();
        let now = Timestamp::now();
        Credentials {
            agent_id,
            generation,
            certificate_chain: format!("{}{}", certificate.pem(), self.agents.0.pem()),
            root: self.root.pem(),
            not_after: now.plus_millis(until * DAY),
            issued_at: now.plus_millis(from * DAY),
            server_time: now,
        }
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    pub(crate) with_certificate: bool,
}

impl Asked {
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn zstd_json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&zstd::decode_all(&self.body[..]).unwrap()).unwrap()
    }
}

/// What to answer.
pub(crate) enum Answer {
    Json(Vec<u8>),
    Problem(Problem, Option<u32>),
    /// Close the connection instead: the answer is lost.
    Lost,
}

impl Answer {
    pub(crate) fn ok(value: &impl serde::Serialize) -> Self {
        Self::Json(serde_json::to_vec(value).unwrap())
    }

    pub(crate) fn problem(status: u16, detail: &str) -> Self {
        Self::Problem(Problem::new(status, "test", "Test", detail).next("do something"), None)
    }
}

type Handler = Box<dyn FnMut(&Asked) -> Answer + Send>;

/// The collector; it stops with the test's runtime.
pub(crate) struct Collector {
    pub(crate) pki: Arc<Pki>,
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<VecDeque<Asked>>>,
    handler: Arc<Mutex<Handler>>,
}

impl Collector {
    pub(crate) async fn start(pki: Arc<Pki>, leaf: &Leaf<'_>) -> Self {
        let (chain, key) = pki.server(leaf);
        let mut roots = RootCertStore::empty();
        roots.add(pki.root.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).allow_unauthenticated().build().unwrap();
        let tls = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let collector = Self {
            pki,
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            handler: Arc::new(Mutex::new(Box::new(|_| Answer::problem(500, "not told what to answer")))),
        };
        let (asked, handler) = (Arc::clone(&collector.asked), Arc::clone(&collector.handler));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, asked, handler) = (acceptor.clone(), Arc::clone(&asked), Arc::clone(&handler));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let with_certificate = stream.get_ref().1.peer_certificates().is_some();
                    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                        let (asked, handler) = (Arc::clone(&asked), Arc::clone(&handler));
                        async move {
                            let path = request.uri().path().to_owned();
                            let body = request.into_body().collect().await.unwrap().to_bytes().to_vec();
                            let one = Asked { path, body, with_certificate };
                            asked.lock().unwrap().push_back(one.clone());
                            respond((handler.lock().unwrap())(&one))
                        }
                    });
                    // A lost answer ends the connection with an error; that is what it is for.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        collector
    }

    /// From now on, answer so.
    pub(crate) fn answer(&self, handler: impl FnMut(&Asked) -> Answer + Send + 'static) {
        *self.handler.lock().unwrap() = Box::new(handler);
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().drain(..).collect()
    }

    pub(crate) fn token(&self) -> EnrollmentToken {
        EnrollmentToken {
            id: TokenId(Uuid::nil()),
            secret: URL_SAFE_NO_PAD.encode(Sha256::digest("secret")),
            root_pin: self.pki.pin(),
            urls: vec![format!("https://{}/", self.address).parse().unwrap()],
        }
    }
}

fn respond(answer: Answer) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let response = |status: u16, body: Vec<u8>| Response::builder().status(status).body(Full::new(Bytes::from(body)));
    match answer {
        Answer::Json(body) => response(200, body),
        Answer::Problem(problem, None) => response(problem.status, serde_json::to_vec(&problem).unwrap()),
        Answer::Problem(problem, Some(seconds)) => {
            let body = Full::new(Bytes::from(serde_json::to_vec(&problem).unwrap()));
            Response::builder().status(problem.status).header("retry-after", seconds).body(body)
        }
        Answer::Lost => return Err(std::io::Error::other("lost")),
    }
    .map_err(std::io::Error::other)
}
