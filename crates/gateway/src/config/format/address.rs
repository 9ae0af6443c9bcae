//! Addresses, hosts, origins and URLs, parsed by the parser of the client that will use them.
//!
//! No message repeats a URL: user names, passwords and keys travel in them.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use url::Url;

/// Where to listen.
pub(super) fn socket(text: &str) -> Result<String, String> {
    let address: SocketAddr = text.parse().map_err(|_| {
        "must be an IP address with a port, such as 127.0.0.1:8000 or [::1]:8000".to_owned()
    })?;
    Ok(address.to_string())
}

/// Where the provider's API is, without a trailing slash.
pub(super) fn base_url(text: &str) -> Result<String, String> {
    let url = parse_web_url(text)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "must not hold a user name or password; the key has its own setting".to_owned(),
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with its path: leave out what follows ? or #".to_owned());
    }
    let base = url.as_str().trim_end_matches('/');
    for operation in ["/responses", "/chat/completions", "/completions", "/models"] {
        if base.ends_with(operation) {
            return Err(format!(
                "must be the base alone: leave out {operation}; /responses is appended"
            ));
        }
    }
    let segments: Vec<&str> = url.path_segments().into_iter().flatten().collect();
    let segments = segments.as_slice();
    if let Some([twice, _]) = segments
        .windows(2)
        .find(|pair| pair[0] == pair[1] && !pair[0].is_empty())
    {
        return Err(format!("has /{twice} twice: leave one of them out"));
    }
    if url.host_str() == Some("api.openai.com") && url.path().trim_matches('/') != "v1" {
        return Err("must end with /v1: https://api.openai.com/v1".to_owned());
    }
    Ok(base.to_owned())
}

/// The endpoint of a resource, as the portal shows it or as a client library wants it: what the gateway
/// appends is left out.
pub(super) fn azure_endpoint(text: &str) -> Result<String, String> {
    const APPENDED: [&str; 4] = ["/responses", "/v1", "/openai", "/"];
    let (address, query) = text.split_once('?').unwrap_or((text, ""));
    if query.contains("api-version=") {
        return Err(
            "must end with its path: the version has its own setting, api_version".to_owned(),
        );
    }
    if address.contains("/deployments/") {
        return Err(
            "must be the resource's alone: leave out /openai/deployments/…; the deployment has its own setting"
                .to_owned(),
        );
    }
    let mut endpoint = text;
    while let Some(rest) = APPENDED.iter().find_map(|end| endpoint.strip_suffix(end)) {
        endpoint = rest;
    }
    base_url(endpoint)
}

/// Whether an address has no path.
pub(in crate::config) fn is_host_alone(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.path() == "/")
}

/// The host of an address to which the key would travel in the clear, over the network.
pub(in crate::config) fn host_over_http(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let is_open = url.scheme() == "http" && !host_is_loopback(&url);
    is_open.then(|| url.host_str().unwrap_or_default().to_ascii_lowercase())
}

/// An address alone, in its usual form.
pub(super) fn ip(text: &str) -> Result<String, String> {
    let address: IpAddr = text.parse().map_err(|_| {
        "must be an IP address alone, such as 10.0.0.7 or 2001:db8::7: no port and no network"
            .to_owned()
    })?;
    Ok(address.to_canonical().to_string())
}

/// A network, or one address of it.
pub(super) fn network(text: &str) -> Result<String, String> {
    let alone = text.parse::<IpAddr>().map(IpNet::from).ok();
    let network = alone.or_else(|| text.parse().ok());
    let network = network.ok_or("must be a network, such as 10.0.0.0/8 or 2001:db8::/32")?;
    if network.prefix_len() == 0 {
        return Err("is everybody: anyone could choose the address that is believed".to_owned());
    }
    Ok(network.trunc().to_string())
}

/// A `Host` value without its port, in lower case; an IPv6 address keeps its brackets.
pub(super) fn host(text: &str) -> Result<String, String> {
    let is_name_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_name = !text.is_empty() && text.len() <= 253 && text.bytes().all(is_name_byte);
    let is_ipv6 = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
    if !is_name && !is_ipv6 {
        return Err(
            "must be a host name or address alone, such as chat.example.com or [2001:db8::1]: \
             no scheme, port, path or wildcard"
                .to_owned(),
        );
    }
    Ok(text.to_ascii_lowercase())
}

/// An `Origin` value as a browser sends it.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let url = parse_web_url(text)?;
    let origin = url.origin().ascii_serialization();
    // What the parser knows beside the origin would be dropped without a word.
    if url.as_str().trim_end_matches('/') != origin {
        return Err("must be scheme, host and port alone, such as https://chat.example".to_owned());
    }
    Ok(origin)
}

fn parse_web_url(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        _ => Err("must be a URL that begins with https:// or http://".to_owned()),
    }
}

fn host_is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(is_loopback)
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_numbers() {
        assert_eq!(socket("[::1]:0").unwrap(), "[::1]:0");
        for bad in [
            "localhost:8000",
            "127.0.0.1",
            ":8000",
            "127.0.0.1:99999",
            "",
        ] {
            assert!(socket(bad).unwrap_err().contains("127.0.0.1:8000"), "{bad}");
        }
        assert_eq!(network("10.1.2.3/8").unwrap(), "10.0.0.0/8");
        assert_eq!(network("10.1.2.3").unwrap(), "10.1.2.3/32");
        assert_eq!(network("2001:db8::7/32").unwrap(), "2001:db8::/32");
        for bad in [
            "0.0.0.0/0",
            "::/0",
            "10.0.0.0/33",
            "10.0.0",
            "proxy.example",
            "",
        ] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_base_url_keeps_its_path_and_loses_its_slash() {
        let kept = base_url("https://Models.Example/api/v1//").unwrap();
        assert_eq!(kept, "https://models.example/api/v1");
        for local in [
            "http://127.1:9000/v1",
            "http://localhost/v1",
            "http://[::1]:8/v1",
        ] {
            assert!(base_url(local).is_ok(), "{local}");
        }
    }

    #[test]
    fn a_base_url_that_would_leak_or_mislead_is_refused_without_repeating_it() {
        let cases = [
            (
                "https://models.example/v1/chat/completions",
                "leave out /chat/completions",
            ),
            ("https://models.example/v1/v1", "/v1 twice"),
            ("https://api.openai.com", "must end with /v1"),
            (
                "https://user:hunter2@models.example",
                "user name or password",
            ),
            (
                "https://models.example/v1?key=hunter2",
                "leave out what follows",
            ),
            (
                "https://models.example/v1#hunter2",
                "leave out what follows",
            ),
            (
                "https://models.example/v1/responses/",
                "leave out /responses",
            ),
            ("ftp://models.example/hunter2", "https://"),
            ("models.example", "https://"),
            ("https://", "https://"),
        ];
        for (url, reason) in cases {
            let refusal = base_url(url).unwrap_err();
            assert!(refusal.contains(reason), "{url}: {refusal}");
            assert!(!refusal.contains("hunter2"), "{url}: {refusal}");
        }
    }

    #[test]
    fn an_azure_endpoint_loses_what_is_appended() {
        for text in [
            "https://name.openai.azure.com",
            "https://name.openai.azure.com/",
            "https://name.openai.azure.com/openai",
            "https://name.openai.azure.com/openai/v1/",
            "https://name.openai.azure.com/openai/v1/responses",
            "https://name.openai.azure.com/openai/openai/",
        ] {
            let endpoint = azure_endpoint(text).unwrap();
            assert_eq!(endpoint, "https://name.openai.azure.com", "{text}");
        }
        assert!(azure_endpoint("https://a.example/openai/deployments/x").is_err());
        assert!(azure_endpoint("https://a.example/openai?api-version=v1").is_err());
    }

    #[test]
    fn hosts_and_origins_are_names_alone() {
        assert_eq!(host("Chat.Example.com").unwrap(), "chat.example.com");
        assert_eq!(host("[2001:DB8::1]").unwrap(), "[2001:db8::1]");
        for bad in ["", "*", "a:80", "https://a", "a/b", "::1", "[a]"] {
            assert!(host(bad).is_err(), "{bad}");
        }
        assert_eq!(
            origin("https://Chat.Example/").unwrap(),
            "https://chat.example"
        );
        assert_eq!(origin("http://a:8080").unwrap(), "http://a:8080");
        for bad in [
            "*",
            "null",
            "https://a/b",
            "https://u@a",
            "https://a?b",
            "file:///a",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
