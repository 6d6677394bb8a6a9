//! Who is let in, and whom we trust.

use e2e::registry::{Options, Server, USER, client};
use updates::registry::{Credentials, Secret, Settings, authorities};

use crate::support::{FEW, REPOSITORY, Stage, scanner, versions};

fn password(password: &str) -> Secret {
    Secret::Password {
        user: USER.0.to_owned(),
        password: password.to_owned(),
    }
}

/// With a password for one repository, and who is trusted.
fn settings(server: &Server, secret: &str) -> Settings {
    let name = format!("{}/{REPOSITORY}", server.address());
    let pem = server.authority();
    Settings {
        credentials: Credentials::default().with(&name, password(secret)),
        authorities: pem.map_or_else(Vec::new, |pem| authorities(pem.as_bytes()).unwrap()),
        ..Settings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_with_password_and_tls_is_scanned_by_who_has_and_trusts_them() {
    let options = Options {
        password: true,
        tls: true,
    };
    let stage = Stage::with(options, FEW).await;
    let registry = client(settings(&stage.server, USER.1)).unwrap();

    let found = versions(&scanner(registry, stage.repository())).await;

    assert_eq!(found.len(), 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_is_no_empty_graph() {
    let options = Options {
        password: true,
        tls: false,
    };
    let server = Server::start(options).await.unwrap();
    let registry = client(settings(&server, "wrong")).unwrap();
    let repository = server.repository(REPOSITORY).unwrap();

    let refused = scanner(registry, repository).scan().await.unwrap_err();

    assert_eq!(refused.why().reason(), "Denied");
    let told = refused.to_string();
    assert!(told.contains("not accepted"), "{told}");
    assert!(!told.contains("wrong"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_authority_nobody_named_is_not_trusted_and_not_spoken_to_in_plain() {
    let options = Options {
        password: false,
        tls: true,
    };
    let server = Server::start(options).await.unwrap();
    let registry = client(Settings::default()).unwrap();
    let repository = server.repository(REPOSITORY).unwrap();

    let refused = scanner(registry, repository).scan().await.unwrap_err();

    assert_eq!(refused.why().reason(), "NotTrusted", "{refused}");
    assert!(refused.to_string().contains("--registry-ca"), "{refused}");
}
