use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::client_address::ClientAddress;

#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// On which calls are answered.
    pub max: usize,
    pub max_per_address: usize,
    /// Whose connections are many people's: proxies.
    pub trusted_addresses: Vec<IpAddr>,
    /// Proxies that report whose request they pass on: it is counted for that client.
    pub trusted_proxies: Vec<IpNet>,
    /// For the head of a request, from the connection or the head's first byte.
    pub header_timeout: Duration,
    /// For the next request.
    pub keep_alive: Duration,
}

impl ConnectionLimits {
    pub(super) fn bound_connections_of(&self, peer: ClientAddress) -> bool {
        !self.trusted_addresses.contains(&peer.ip()) && !self.is_proxy(peer)
    }

    /// A proxy's own address stands for clients that could not be told apart.
    pub(super) fn bound_requests_of(&self, client: ClientAddress) -> bool {
        !self.trusted_addresses.contains(&client.ip()) || self.is_proxy(client)
    }

    fn is_proxy(&self, address: ClientAddress) -> bool {
        let mut proxies = self.trusted_proxies.iter();
        proxies.any(|network| network.contains(&address.ip()))
    }
}
