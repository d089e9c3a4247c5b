use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use rollcall_shared::wire::v1::Protocol;

/// A protocol, address and port. Written `tcp 10.0.0.7:5432`, `udp [::]:53`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Protocol.
    pub protocol: Protocol,
    /// Address; unspecified (`0.0.0.0`, `::`) for what listens on all.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
}

impl Endpoint {
    /// Whether a socket bound to this endpoint receives what is sent to `target`: the same protocol and port, and either that
    /// address or all addresses. `::` takes IPv4 too, as it does on every system unless it is told otherwise.
    pub fn receives(&self, target: &Self) -> bool {
        let all = self.address.is_unspecified() && (self.address.is_ipv6() || target.address.is_ipv4());
        self.protocol == target.protocol && self.port == target.port && (all || self.address == target.address)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, SocketAddr::new(self.address, self.port))
    }
}

/// The text is not an endpoint such as `tcp 10.0.0.7:5432`.
#[derive(Debug, thiserror::Error)]
#[error("not an endpoint such as \"tcp 10.0.0.7:5432\": {text:?}")]
pub struct EndpointError {
    text: String,
}

impl FromStr for Endpoint {
    type Err = EndpointError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || EndpointError { text: text.chars().take(64).collect() };
        let (protocol, socket) = text.split_once(' ').ok_or_else(error)?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err(error()),
        };
        let socket: SocketAddr = socket.parse().map_err(|_| error())?;
        Ok(Self { protocol, address: socket.ip(), port: socket.port() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    #[test]
    fn text_round_trips_and_nonsense_is_refused() {
        for text in ["tcp 10.0.0.7:5432", "udp [::]:53", "tcp [2001:db8::1]:443"] {
            assert_eq!(endpoint(text).to_string(), text);
        }
        for text in ["", "tcp", "tcp 10.0.0.7", "sctp 10.0.0.7:1", "tcp 10.0.0.7:99999"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_listens_on_all_addresses_receives_what_is_sent_to_one() {
        for (bound, target, receives) in [
            ("tcp 0.0.0.0:80", "tcp 10.0.0.7:80", true),
            ("tcp [::]:80", "tcp 10.0.0.7:80", true),
            ("tcp 0.0.0.0:80", "tcp [2001:db8::1]:80", false),
            ("tcp 10.0.0.7:80", "tcp 10.0.0.7:80", true),
            ("tcp 127.0.0.1:80", "tcp 10.0.0.7:80", false),
            ("tcp 0.0.0.0:80", "udp 10.0.0.7:80", false),
            ("tcp 0.0.0.0:80", "tcp 10.0.0.7:81", false),
        ] {
            assert_eq!(endpoint(bound).receives(&endpoint(target)), receives, "{bound} {target}");
        }
    }
}
