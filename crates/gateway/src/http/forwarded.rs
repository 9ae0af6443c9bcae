//! The addresses that proxies report: `Forwarded` (RFC 7239) and `X-Forwarded-For`.
//!
//! Each proxy adds the address that it has seen at the end. So the list is read from its end, as long as a
//! trusted proxy has added what is read; the first address that is no trusted proxy's is the client's. What
//! stands before it is the client's own claim.

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use crate::client_address::ClientAddress;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What is to be read is not as it should be, so none of it is believed.
struct Malformed;

/// Of a request that came from `peer`. If what a trusted proxy reports cannot be read, it is the proxy's.
pub(super) fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted_proxies: &[IpNet],
) -> ClientAddress {
    let peer = ClientAddress::new(peer);
    if !is_in(peer, trusted_proxies) {
        return peer;
    }
    // A proxy that writes one header may pass the other on as the client has sent it.
    let reported = match (
        nearest(forwarded(headers), trusted_proxies),
        nearest(x_forwarded_for(headers), trusted_proxies),
    ) {
        (Ok(Some(one)), Ok(Some(other))) if one != other => None,
        (Ok(one), Ok(other)) => one.or(other),
        (Err(Malformed), _) | (_, Err(Malformed)) => None,
    };
    reported.unwrap_or(peer)
}

fn is_in(address: ClientAddress, networks: &[IpNet]) -> bool {
    networks
        .iter()
        .any(|network| network.contains(&address.ip()))
}

/// The last address that is no trusted proxy's; if all are, the first.
fn nearest(
    addresses: Result<Vec<&str>, Malformed>,
    trusted_proxies: &[IpNet],
) -> Result<Option<ClientAddress>, Malformed> {
    let mut first = None;
    for text in addresses?.into_iter().rev() {
        let address = address(text).ok_or(Malformed)?;
        if !is_in(address, trusted_proxies) {
            return Ok(Some(address));
        }
        first = Some(address);
    }
    Ok(first)
}

fn x_forwarded_for(headers: &HeaderMap) -> Result<Vec<&str>, Malformed> {
    let lines = lines(headers, &X_FORWARDED_FOR)?;
    Ok(lines
        .iter()
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect())
}

fn lines<'headers>(
    headers: &'headers HeaderMap,
    name: &HeaderName,
) -> Result<Vec<&'headers str>, Malformed> {
    let lines = headers.get_all(name).iter();
    lines
        .map(|line| line.to_str().map_err(|_| Malformed))
        .collect()
}

/// The `for` of each element.
fn forwarded(headers: &HeaderMap) -> Result<Vec<&str>, Malformed> {
    let mut addresses = Vec::new();
    for line in lines(headers, &FORWARDED)? {
        for element in split(line, ',')? {
            let mut client = None;
            for pair in split(element, ';')? {
                let (name, value) = pair.trim().split_once('=').ok_or(Malformed)?;
                if name.eq_ignore_ascii_case("for") && client.replace(unquote(value)?).is_some() {
                    return Err(Malformed);
                }
            }
            addresses.push(client.ok_or(Malformed)?);
        }
    }
    Ok(addresses)
}

/// Splits outside of quotes. What a client has left open must not swallow what a proxy adds.
fn split(text: &str, separator: char) -> Result<Vec<&str>, Malformed> {
    let mut is_quoted = false;
    let parts = text.split(|char| {
        is_quoted ^= char == '"';
        char == separator && !is_quoted
    });
    let parts = parts.collect();
    if is_quoted || text.contains('\\') {
        return Err(Malformed);
    }
    Ok(parts)
}

fn unquote(value: &str) -> Result<&str, Malformed> {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let inner = inner.unwrap_or(value);
    if inner.contains('"') {
        return Err(Malformed);
    }
    Ok(inner)
}

/// With or without a port; an IPv6 address with or without brackets.
fn address(text: &str) -> Option<ClientAddress> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let alone = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let address = alone.or_else(|| {
        text.parse::<SocketAddr>()
            .ok()
            .map(|with_port| with_port.ip())
    });
    address.map(ClientAddress::new)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const PROXY: &str = "10.0.0.7";

    fn client(peer: &str, lines: &[(&str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let trusted = [
            "10.0.0.0/8".parse().unwrap(),
            "2001:db8:ffff::/48".parse().unwrap(),
        ];
        let address = client_address(peer.parse().unwrap(), &headers, &trusted);
        address.ip().to_string()
    }

    fn behind(lines: &[(&str, &str)]) -> String {
        client(PROXY, lines)
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let claim = [("x-forwarded-for", "192.0.2.1")];
        assert_eq!(client("198.51.100.9", &claim), "198.51.100.9");
        assert_eq!(client("::ffff:10.0.0.7", &claim), "192.0.2.1");
        assert_eq!(behind(&[]), PROXY);
    }

    #[test]
    fn the_last_hop_that_is_not_trusted_is_the_client() {
        for (line, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("203.0.113.66, 192.0.2.1", "192.0.2.1"),
            ("whatever the client says, 192.0.2.1, 10.1.1.1", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:443, [2001:db8:ffff::2]", "2001:db8::1"),
            ("10.9.9.9, 10.1.1.1", "10.9.9.9"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(behind(&[("x-forwarded-for", line)]), expected, "{line}");
        }
        let two = [
            ("x-forwarded-for", "203.0.113.66"),
            ("x-forwarded-for", "192.0.2.1"),
        ];
        assert_eq!(behind(&two), "192.0.2.1");
        for (line, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            (
                "For=\"[2001:db8::1]:4711\";proto=https;by=10.0.0.7",
                "2001:db8::1",
            ),
            (
                "for=203.0.113.66;host=\"a,b\", for=192.0.2.1;proto=http",
                "192.0.2.1",
            ),
        ] {
            assert_eq!(behind(&[("forwarded", line)]), expected, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_is_contradicted_is_not_believed() {
        for line in [
            "",
            "192.0.2.1,",
            "unknown",
            "192.0.2.1, evil",
            "192.0.2.256",
            "1",
            "192.0.2.1 10.0.0.1",
        ] {
            assert_eq!(behind(&[("x-forwarded-for", line)]), PROXY, "{line}");
        }
        for line in [
            "",
            "for=",
            "for=unknown",
            "for=_hidden",
            "for=192.0.2.1;for=192.0.2.2",
            "proto=https",
            // The client leaves a quote open, the proxy adds its element.
            "for=203.0.113.66;host=\", for=192.0.2.1",
            "for=203.0.113.66;host=\", for=\"[2001:db8::1]\"",
            "for=\"\\192.0.2.1\"",
        ] {
            assert_eq!(behind(&[("forwarded", line)]), PROXY, "{line}");
        }
        // The proxy has written one of them, the client the other.
        let both =
            |one: &str, other: &str| behind(&[("forwarded", one), ("x-forwarded-for", other)]);
        assert_eq!(both("for=203.0.113.66", "192.0.2.1"), PROXY);
        assert_eq!(both("for=x", "192.0.2.1"), PROXY);
        assert_eq!(both("for=192.0.2.1", "192.0.2.1"), "192.0.2.1");
    }
}
