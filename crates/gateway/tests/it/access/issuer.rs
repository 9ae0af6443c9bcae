//! `samples/issuer`, if `make test` has installed it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::skilled::repository;

/// Killed when it is dropped.
pub(super) struct Issuer {
    child: Child,
    pub(super) url: String,
}

impl Issuer {
    /// With new keys, at the port of an earlier one if there was one. `None` where it is not installed.
    pub(super) fn start(earlier: Option<&str>) -> Option<Self> {
        let directory = repository().join("samples/issuer");
        if !directory.join("node_modules/oidc-provider").is_dir() {
            return None;
        }
        let port = earlier.and_then(|url| url.rsplit(':').next());
        #[expect(clippy::disallowed_methods, reason = "the test is who runs the issuer")]
        let mut child = Command::new("node")
            .arg(directory.join("issuer.js"))
            .arg(port.unwrap_or("0"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut url = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        assert!(
            url.starts_with("http://"),
            "the issuer did not start: {url}"
        );
        Some(Self { child, url })
    }

    /// A token for its one client.
    pub(super) async fn token(&self, audience: &str) -> String {
        let form = "grant_type=client_credentials&scope=chat%20skill%3Areview&resource=";
        let answer = reqwest_client()
            .post(format!("{}/token", self.url))
            .basic_auth("caller", Some("secret"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("{form}{audience}"))
            .send()
            .await
            .unwrap();
        let answer = answer.text().await.unwrap();
        let document: Value = serde_json::from_str(&answer).unwrap();
        document["access_token"].as_str().expect(&answer).to_owned()
    }
}

fn reqwest_client() -> reqwest::Client {
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let _ = provider.install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
