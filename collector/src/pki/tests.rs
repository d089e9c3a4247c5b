use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, PublicKeyData, SigningKey};
use rollcall_shared::AgentId;
use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::ring,
    server::WebPkiClientVerifier,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use uuid::Uuid;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;

fn now() -> Timestamp {
    Timestamp::from_millis(1_772_366_400_000)
}

fn authority(directory: &Path) -> Authority {
    Authority::load_or_create(&directory.join("ca"), now()).unwrap()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn agent_chain(authority: &Authority, key: &KeyPair, csr: CertificateParams) -> Vec<CertificateDer<'static>> {
    let request = csr.serialize_request(key).unwrap();
    let key = PublicKey::of_request(request.der()).unwrap();
    let (chain, _) = authority.issue_agent_certificate(AgentId(Uuid::from_u128(7)), 3, &key, now(), 7 * DAY_MS).unwrap();
    CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect()
}

fn at(time: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(time.as_millis() as u64))
}

fn accepted_as_server(authority: &Authority, chain: &[CertificateDer<'static>], name: &str, time: Timestamp) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(authority.root().clone()).unwrap();
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(ring::default_provider())).build().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], at(time)).is_ok()
}

fn accepted_as_agent(authority: &Authority, chain: &[CertificateDer<'static>], time: Timestamp) -> bool {
    let mut issuers = RootCertStore::empty();
    issuers.add(authority.agents_issuer().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(issuers), Arc::new(ring::default_provider())).build().unwrap();
    verifier.verify_client_cert(&chain[0], &chain[1..], at(time)).is_ok()
}

#[test]
fn neither_role_is_accepted_as_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let authority = authority(directory.path());
    let names = names(&["rollcall.example", "192.0.2.7"]);
    let collector = CollectorCertificate::load_or_create(&directory.path().join("tls"), &authority, &names, now()).unwrap().chain();
    let agent = agent_chain(&authority, &KeyPair::generate().unwrap(), CertificateParams::default());

    assert!(accepted_as_server(&authority, &collector, "rollcall.example", now()));
    assert!(accepted_as_server(&authority, &collector, "192.0.2.7", now()));
    assert!(!accepted_as_server(&authority, &collector, "other.example", now()));
    assert!(!accepted_as_agent(&authority, &collector, now()));

    assert!(accepted_as_agent(&authority, &agent, now()));
    assert!(accepted_as_agent(&authority, &agent, now().plus_millis(-BACKDATED_MS + 60_000)));
    assert!(!accepted_as_agent(&authority, &agent, now().plus_millis(8 * DAY_MS)));
    assert!(!accepted_as_server(&authority, &agent, "rollcall.example", now()));

    let other = tempfile::tempdir().unwrap();
    let foreign = agent_chain(&self::authority(other.path()), &KeyPair::generate().unwrap(), CertificateParams::default());
    assert!(!accepted_as_agent(&authority, &foreign, now()));
}

#[test]
fn nothing_of_a_request_but_its_key_is_signed() {
    let directory = tempfile::tempdir().unwrap();
    let authority = authority(directory.path());
    let key = KeyPair::generate().unwrap();
    let mut greedy = CertificateParams::new(vec!["rollcall.example".to_owned(), "10.0.0.1".to_owned()]).unwrap();
    greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    greedy.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let chain = agent_chain(&authority, &key, greedy);

    let (_, certificate) = X509Certificate::from_der(&chain[0]).unwrap();
    assert!(!certificate.is_ca());
    assert_eq!(certificate.public_key().raw, key.subject_public_key_info());
    let usage = certificate.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.any);
    assert_eq!(certificate.subject_alternative_name().unwrap().unwrap().value.general_names.len(), 1);
    let identity = identity_of(&chain[0]).unwrap();
    assert_eq!((identity.agent, identity.generation), (AgentId(Uuid::from_u128(7)), 3));
    assert_eq!(identity.not_after, now().plus_millis(7 * DAY_MS));
    assert!(!accepted_as_server(&authority, &chain, "rollcall.example", now()));
    assert!(identity_of(authority.root()).is_none());
}

#[test]
fn requests_without_proof_or_with_another_kind_of_key_are_refused() {
    let key = KeyPair::generate().unwrap();
    let good = CertificateParams::default().serialize_request(&key).unwrap();
    let mut forged = good.der().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let p384 = CertificateParams::default().serialize_request(&p384).unwrap();
    assert!(matches!(PublicKey::of_request(&forged), Err(CsrRefused::Signature | CsrRefused::Unreadable)));
    assert!(matches!(PublicKey::of_request(p384.der()), Err(CsrRefused::Key)));
    assert!(matches!(PublicKey::of_request(b"nonsense"), Err(CsrRefused::Unreadable)));
    assert!(matches!(PublicKey::of_request(&[good.der().as_ref(), b"more"].concat()), Err(CsrRefused::Unreadable)));

    let signature = key.sign(b"message").unwrap();
    let public = key.subject_public_key_info();
    assert!(verify_signature(&public, b"message", &signature));
    assert!(!verify_signature(&public, b"another", &signature));
    assert!(!verify_signature(b"no key", b"message", &signature));
}

#[test]
fn the_ca_is_made_once_and_keys_that_others_can_read_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let pin = authority(directory.path()).root_pin().to_owned();
    assert_eq!(authority(directory.path()).root_pin(), pin);

    let key = directory.path().join("ca/agents.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = Authority::load_or_create(&directory.path().join("ca"), now()).err().unwrap().to_string();
    assert!(refused.contains("agents.key") && refused.contains("chmod 600"), "{refused}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    fs::copy(directory.path().join("ca/collectors.key"), &key).unwrap();
    let refused = Authority::load_or_create(&directory.path().join("ca"), now()).err().unwrap().to_string();
    assert!(refused.contains("not the key of agents.pem"), "{refused}");
}

#[test]
fn the_collectors_certificate_is_replaced_in_time_and_keeps_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let authority = authority(directory.path());
    let tls = directory.path().join("tls");
    let first_names = names(&["a.example"]);
    let certificate = CollectorCertificate::load_or_create(&tls, &authority, &first_names, now()).unwrap();
    let (first, pin) = (certificate.chain(), certificate.public_key_pin());
    let renewed =
        |names: &BTreeSet<String>, days: i64| certificate.renew_if_due(&authority, names, now().plus_millis(days * DAY_MS)).unwrap();

    assert!(!renewed(&first_names, 14));
    assert!(renewed(&first_names, 16));
    assert!(!renewed(&first_names, 17));
    assert!(renewed(&names(&["a.example", "b.example"]), 17));
    assert!(accepted_as_server(&authority, &certificate.chain(), "b.example", now().plus_millis(40 * DAY_MS)));
    fs::remove_file(tls.join("collector.pem")).unwrap();
    assert!(renewed(&first_names, 18));
    assert_ne!(certificate.chain(), first);
    assert_eq!(certificate.public_key_pin(), pin);

    let again = CollectorCertificate::load_or_create(&tls, &authority, &first_names, now().plus_millis(19 * DAY_MS)).unwrap();
    assert_eq!(again.chain(), certificate.chain());
    assert_eq!(again.public_key_pin(), pin);
}
