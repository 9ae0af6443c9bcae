use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::units::Seconds;

/// `[server]`: where the gateway listens, its connections, and what a request may weigh.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct ServerSettings {
    /// Where the gateway listens. Beyond this machine it serves only callers that it knows, over TLS or
    /// behind the proxies of `trusted_proxies`.
    #[schemars(extend("env" = "PORTCULLIS_BIND", "default" = "127.0.0.1:8000"))]
    #[schemars(extend("format" = "address"))]
    pub bind: SocketAddr,

    /// Speaks HTTP/2 without TLS, too, to clients that begin with it. With TLS, HTTP/2 is always offered.
    #[schemars(extend("env" = "PORTCULLIS_H2C", "default" = false))]
    pub h2c: bool,

    /// Host headers accepted beside localhost and the loopback addresses: the names under which callers ask
    /// for the gateway, directly or through a proxy.
    #[schemars(extend("env" = "PORTCULLIS_ALLOWED_HOSTS", "default" = [], "format" = "hosts"))]
    pub allowed_hosts: Vec<String>,

    /// Origin headers accepted beside the gateway's own: the sites whose pages may call it.
    #[schemars(extend("env" = "PORTCULLIS_ALLOWED_ORIGINS", "default" = [], "format" = "origins"))]
    pub allowed_origins: Vec<String>,

    /// The largest request body; over it the answer is 413.
    #[schemars(range(min = 1024, max = 67_108_864), extend("unit" = "bytes"))]
    #[schemars(extend("env" = "PORTCULLIS_MAX_BODY_BYTES", "default" = 4_194_304))]
    pub max_body_bytes: usize,

    /// How long a connection may take for the head of a request.
    #[serde(rename = "header_timeout_sec", with = "Seconds")]
    #[schemars(range(min = 1, max = 120))]
    #[schemars(extend("env" = "PORTCULLIS_HEADER_TIMEOUT_SEC", "default" = 10))]
    pub header_timeout: Duration,

    /// How long a connection is kept for the next request. Longer than the proxy before it keeps one.
    #[serde(rename = "keep_alive_sec", with = "Seconds")]
    #[schemars(range(min = 1, max = 3600))]
    #[schemars(extend("env" = "PORTCULLIS_KEEP_ALIVE_SEC", "default" = 75))]
    pub keep_alive: Duration,

    /// Connections on which calls are answered at once; fewer where the system allows fewer open files.
    /// Probes have a reserve beyond it, and idle connections are closed first.
    #[schemars(range(min = 16, max = 65_536), extend("unit" = "connections"))]
    #[schemars(extend("env" = "PORTCULLIS_MAX_CONNECTIONS", "default" = 1024))]
    pub max_connections: usize,

    /// Connections from one address, and requests under way; from one /64 network with IPv6.
    #[schemars(range(min = 1, max = 65_536), extend("unit" = "connections"))]
    #[schemars(extend("env" = "PORTCULLIS_MAX_CONNECTIONS_PER_ADDRESS", "default" = 256))]
    pub max_connections_per_address: usize,

    /// Addresses that may have any number of connections: proxies, whose connections are many people's.
    #[schemars(extend("env" = "PORTCULLIS_TRUSTED_ADDRESSES", "default" = ["127.0.0.1", "::1"]))]
    #[schemars(extend("format" = "ip-addresses"))]
    pub trusted_addresses: Vec<IpAddr>,

    /// Networks of the proxies whose Forwarded and X-Forwarded-For headers are believed, such as 10.0.0.0/8.
    /// They have any number of connections; what they pass on is counted for the client that they report.
    #[schemars(extend("env" = "PORTCULLIS_TRUST_PROXY", "default" = [], "format" = "networks"))]
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,

    /// The least rate at which a body must arrive, over 5 s; under it the answer is 408.
    #[schemars(range(min = 0, max = 1_048_576), extend("unit" = "bytes a second"))]
    #[schemars(extend("env" = "PORTCULLIS_MIN_BODY_RATE", "default" = 1024))]
    pub min_body_rate: usize,

    /// What running turns get after SIGTERM before they are interrupted.
    #[serde(rename = "drain_sec", with = "Seconds")]
    #[schemars(range(min = 0, max = 600))]
    #[schemars(extend("env" = "PORTCULLIS_DRAIN_SEC", "default" = 30))]
    pub drain: Duration,

    /// Where the gateway keeps what it stores. A relative path starts at the directory of start.
    #[schemars(extend("env" = "PORTCULLIS_DATA_DIR", "default" = "./data"))]
    #[schemars(extend("format" = "directory"))]
    pub data_dir: PathBuf,
}

impl ServerSettings {
    /// Whether more than this machine can reach the gateway.
    pub fn is_public(&self) -> bool {
        !self.bind.ip().to_canonical().is_loopback()
    }
}
