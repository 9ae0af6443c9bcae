use std::net::{IpAddr, Ipv6Addr};

/// Where a request comes from, as far as that can be believed. Limits by address and records use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    pub fn new(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }

    pub fn ip(self) -> IpAddr {
        self.0
    }

    /// What limits count: whoever has an IPv6 address has a network of them.
    pub fn network(self) -> IpAddr {
        match self.0 {
            IpAddr::V6(address) if !address.is_loopback() => {
                let network = u128::from(address) >> 64 << 64;
                IpAddr::V6(Ipv6Addr::from(network))
            }
            address => address,
        }
    }
}
