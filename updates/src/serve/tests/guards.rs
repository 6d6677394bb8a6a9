//! What a port asks of its clients: not too often, not too much, and over TLS where that is wanted.

use std::fs;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::super::{Certificate, Guards, NoCertificate};
use super::wire::{Client, Running};
use super::*;

#[tokio::test]
async fn an_explanation_comes_over_the_same_connection_as_an_answer() {
    let service = Running::start(serving(), Guards::default()).await;
    let mut client = service.connect().await;

    client
        .send("/api/v1/explain?channel=stable-4.1&from=4.1.0", "")
        .await;
    let (explained, body) = client.answer().await;
    client.send(GRAPH, "").await;
    let (answered, _) = client.answer().await;

    assert!(explained.starts_with("HTTP/1.1 200"), "{explained}");
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["releases"][0]["version"], "4.1.1");
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    service.end().await;
}

/// A certificate for `localhost`, in files.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        files.renew();
        files
    }

    /// Writes another one, and tells it.
    fn renew(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(self.chain(), made.cert.pem()).unwrap();
        fs::write(self.key(), made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    }

    fn chain(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("tls.key")
    }

    fn load(&self) -> Result<Certificate, NoCertificate> {
        Certificate::load(&self.chain(), &self.key())
    }
}

/// The first line of the answer that a client gets who trusts this certificate alone.
async fn asked_over_tls(service: &Running, trusted: CertificateDer<'static>) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = service.connect().await.0;
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut client = Client(connector.connect(name, stream).await.ok()?);
    client.send(GRAPH, "").await;
    let (head, _) = client.answer().await;
    head.lines().next().map(str::to_owned)
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_and_a_broken_one_is_not() {
    let files = Files::new();
    let first = files.renew();
    let certificate = Arc::new(files.load().unwrap());
    let guards = Guards {
        certificate: Some(Arc::clone(&certificate)),
        ..Guards::default()
    };
    let service = Running::start(serving(), guards).await;
    let ok = Some("HTTP/1.1 200 OK".to_owned());
    assert_eq!(asked_over_tls(&service, first.clone()).await, ok);

    let second = files.renew();
    assert!(certificate.load_again().unwrap());
    assert_eq!(asked_over_tls(&service, second.clone()).await, ok);
    assert_eq!(asked_over_tls(&service, first).await, None);

    fs::write(files.chain(), "by half").unwrap();
    let error = certificate.load_again().unwrap_err();
    assert!(
        error.to_string().contains("holds no certificate"),
        "{error}"
    );
    assert_eq!(asked_over_tls(&service, second).await, ok);
    service.end().await;
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_by_its_files() {
    type Story = (fn(&Files), &'static str);
    let stories: [Story; 4] = [
        (|files| fs::remove_file(files.key()).unwrap(), "reading"),
        (
            |files| fs::write(files.key(), "").unwrap(),
            "no private key",
        ),
        (
            |files| fs::write(files.chain(), "").unwrap(),
            "no certificate",
        ),
        (
            |files| {
                let other = Files::new();
                fs::copy(other.key(), files.key()).unwrap();
            },
            "with the key",
        ),
    ];
    for (spoil, says) in stories {
        let files = Files::new();
        spoil(&files);
        let error = files.load().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
