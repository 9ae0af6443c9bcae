//! TLS: who gets a connection, which certificate it shows, and what replaces it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::authority::{Authority, Signed, Term};
use crate::support::caller::{Exchange, head};
use crate::support::codex;
use crate::support::running::{Running, portcullis};
use crate::support::test_app::TestApp;
use crate::support::world::until;

struct Files {
    directory: TempDir,
    certificate: PathBuf,
    key: PathBuf,
    client_ca: PathBuf,
}

impl Files {
    fn of(signed: &Signed) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let [certificate, key, client_ca] =
            ["cert.pem", "key.pem", "ca.pem"].map(|name| directory.path().join(name));
        signed.write_certificate(&certificate);
        signed.write_key(&key);
        Self {
            directory,
            certificate,
            key,
            client_ca,
        }
    }

    fn settings(&self) -> [(&'static str, &str); 2] {
        [
            ("PORTCULLIS_TLS_CERT_FILE", text(&self.certificate)),
            ("PORTCULLIS_TLS_KEY_FILE", text(&self.key)),
        ]
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn a_handshake_chooses_the_version_of_http_and_nothing_is_answered_without_one() {
    let authority = Authority::new();
    let files = Files::of(&authority.sign(Term::Running));
    let app = TestApp::with_fake_codex("", &files.settings()).await;
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let stream = authority.connect(app.address, None, offered).await.unwrap();
        let alpn = stream.get_ref().1.alpn_protocol();
        assert_eq!(alpn, chosen.map(str::as_bytes));
    }
    let spoken = authority.connect(app.address, None, &["spdy/3"]).await;
    assert!(spoken.is_err());
    let answer = authority.probe(app.address, None).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let mut plain = Exchange::open(app.address).await;
    plain.send(head("GET /livez", app.address, &[])).await;
    let said = plain.closed().await;
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    app.stop().await;
}

#[tokio::test]
async fn handshakes_that_do_not_end_keep_nobody_out_and_end_in_time() {
    let authority = Authority::new();
    let files = Files::of(&authority.sign(Term::Running));
    let own = [
        ("PORTCULLIS_MAX_CONNECTIONS", "16"),
        ("PORTCULLIS_HEADER_TIMEOUT_SEC", "2"),
    ];
    let app = TestApp::with_fake_codex("", &[&files.settings()[..], &own].concat()).await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        // The beginning of a record, whose rest does not come.
        stream.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
        slow.push(stream);
    }
    let answer = authority.probe(app.address, None).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    until("the end of every handshake", || {
        slow.retain(|stream| {
            let read = stream.try_read(&mut [0; 64]);
            read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        });
        slow.is_empty()
    })
    .await;
    app.stop().await;
}

fn serve(files: &Files, more: &[(&str, &str)]) -> (Running, TempDir) {
    let directory = codex::directory();
    let program = codex::fake(directory.path(), "");
    let data = directory.path().join("data");
    let own = [
        ("PORTCULLIS_BIND", "127.0.0.1:0"),
        ("PORTCULLIS_SANDBOX", "off"),
        ("PORTCULLIS_DATA_DIR", text(&data)),
        ("CODEX_BIN", text(&program)),
    ];
    let settings = [&own[..], &files.settings(), more].concat();
    (Running::serve(&settings), directory)
}

async fn shown(authority: &Authority, address: SocketAddr) -> Vec<u8> {
    let stream = authority.connect(address, None, &[]).await.unwrap();
    let (_, session) = stream.get_ref();
    session.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_new_certificate_is_taken_up_and_a_bad_one_is_not() {
    let authority = Authority::new();
    let (first, second) = (authority.sign(Term::Running), authority.sign(Term::Running));
    let files = Files::of(&first);
    let (gateway, _directory) = serve(&files, &[]);
    let address = gateway.address();
    assert_eq!(shown(&authority, address).await, first.der());

    // Without its key it cannot be used.
    second.write_certificate(&files.certificate);
    gateway.signal(Signal::HUP);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(shown(&authority, address).await, first.der());

    second.write_key(&files.key);
    gateway.signal(Signal::HUP);
    taken(&authority, address, &second).await;

    // As a Kubernetes secret changes, and nobody says so.
    let third = Files::of(&authority.sign(Term::Running));
    std::fs::remove_file(&files.certificate).unwrap();
    std::fs::remove_file(&files.key).unwrap();
    std::os::unix::fs::symlink(&third.certificate, &files.certificate).unwrap();
    std::os::unix::fs::symlink(&third.key, &files.key).unwrap();
    let before = second.der().to_vec();
    crate::support::world::in_time("the third certificate", async {
        while shown(&authority, address).await == before {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await;
    let log = gateway.terminate().await;
    assert!(log.contains("is not the key of the certificate"), "{log}");
    assert!(log.contains("stays in use"), "{log}");
    assert_eq!(log.matches("TLS certificate replaced").count(), 2, "{log}");
}

async fn taken(authority: &Authority, address: SocketAddr, signed: &Signed) {
    crate::support::world::in_time("the new certificate", async {
        while shown(authority, address).await != signed.der() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn who_must_show_a_certificate_gets_in_with_a_good_one_alone() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let files = Files::of(&authority.sign(Term::Running));
    std::fs::write(&files.client_ca, authority.pem()).unwrap();
    let required = [("PORTCULLIS_TLS_CLIENT_CA_FILE", text(&files.client_ca))];
    let (gateway, _directory) = serve(&files, &required);
    let address = gateway.address();
    let good = authority.sign(Term::Running);
    let answer = authority.probe(address, Some(&good)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (expired, foreign) = (authority.sign(Term::Expired), stranger.sign(Term::Running));
    for shown in [None, Some(&expired), Some(&foreign)] {
        let answer = authority.probe(address, shown).await;
        assert!(answer.is_err(), "{answer:?}");
    }
    // Another authority takes the place of the first.
    std::fs::write(&files.client_ca, stranger.pem()).unwrap();
    gateway.signal(Signal::HUP);
    crate::support::world::in_time("the other authority", async {
        while authority.probe(address, Some(&good)).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(authority.probe(address, Some(&foreign)).await.is_ok());
    gateway.terminate().await;
}

#[test]
fn files_that_cannot_be_used_are_named_before_anything_starts() {
    let authority = Authority::new();
    let refused = |files: &Files, more: &[(&str, &str)]| {
        let own = [("OPENAI_API_KEY", "sk-x")];
        let settings = [&own[..], &files.settings(), more].concat();
        let output = portcullis(&["config", "check"], &settings)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let good = authority.sign(Term::Running);
    let says = |said: &str, wanted: &[&str]| {
        for wanted in wanted {
            assert!(said.contains(wanted), "{said}");
        }
    };

    let files = Files::of(&authority.sign(Term::Expired));
    says(
        &refused(&files, &[]),
        &["tls.cert_file", "expired on 2021-01-01"],
    );

    let files = Files::of(&authority.sign(Term::Running));
    good.write_key(&files.key);
    says(
        &refused(&files, &[]),
        &["tls.key_file", "is not the key of the certificate"],
    );

    let files = Files::of(&good);
    std::fs::write(
        &files.key,
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    )
    .unwrap();
    says(
        &refused(&files, &[]),
        &["tls.key_file", "encrypted with a password"],
    );

    let files = Files::of(&good);
    std::fs::remove_file(&files.certificate).unwrap();
    says(&refused(&files, &[]), &["tls.cert_file", "cannot be read"]);

    let files = Files::of(&good);
    std::fs::copy(&files.key, &files.certificate).unwrap();
    says(
        &refused(&files, &[]),
        &["tls.cert_file", "no PEM certificate"],
    );

    let files = Files::of(&good);
    std::fs::write(&files.client_ca, "nothing").unwrap();
    let ca = [("PORTCULLIS_TLS_CLIENT_CA_FILE", text(&files.client_ca))];
    says(
        &refused(&files, &ca),
        &["tls.client_ca_file", "no PEM certificate"],
    );

    let without_key = [("PORTCULLIS_TLS_KEY_FILE", "")];
    says(
        &refused(&files, &without_key),
        &["tls.cert_file", "PORTCULLIS_TLS_KEY_FILE too"],
    );

    let files = Files::of(&authority.sign(Term::EndsSoon));
    let settings = [&[("OPENAI_API_KEY", "sk-x")][..], &files.settings()].concat();
    let output = portcullis(&["config", "check"], &settings)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(
        said.contains("warning: ") && said.contains("expires on"),
        "{said}"
    );
    drop(files.directory);
}
