//! Who talked to whom.

use std::{collections::BTreeSet, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

use super::{Protocol, SectionData, ServiceKey};

/// Who talked to whom in a window of time. The digest covers who, not how often: see [`SectionData::stable`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Connections {
    /// When watching began, the agent's clock.
    pub window_start: Timestamp,
    /// When the last sample was taken.
    pub window_end: Timestamp,
    /// Samples of the socket table taken.
    pub samples: u32,
    /// The flows, sorted by what they connect. Flows within the machine (loopback) are listed too.
    pub flows: Vec<Flow>,
}

/// All connections between one local service and one remote address and port, or remote address for incoming ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Flow {
    /// Which way it was opened, and how that is known.
    pub direction: Direction,
    /// How the direction is known.
    pub direction_method: DirectionMethod,
    /// Protocol.
    pub protocol: Protocol,
    /// The local service; absent where the kernel did not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceKey>,
    /// How the service is known, where it is not the kernel that told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_method: Option<ServiceMethod>,
    /// The network namespace of the local end, where it is not the machine's own: the container or service that it belongs to.
    /// Addresses in it may be those of other namespaces and machines too, and loopback is its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The local address.
    pub local_address: IpAddr,
    /// The local port for incoming flows. Absent for outgoing ones: it is ephemeral.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_port: Option<u16>,
    /// The remote address.
    pub peer_address: IpAddr,
    /// The remote port for outgoing flows. Absent for incoming ones: it is ephemeral.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_port: Option<u16>,
    /// Samples in which at least one such connection was seen.
    pub samples_seen: u32,
    /// First time seen in the window.
    pub first_seen: Timestamp,
    /// Last time seen in the window.
    pub last_seen: Timestamp,
}

/// Which end opened the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// This machine did: it depends on the peer.
    Outgoing,
    /// The peer did: it depends on this machine.
    Incoming,
}

/// How a flow's direction is known, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DirectionMethod {
    /// The local port is, or is not, one that listens.
    Listener,
    /// The socket's state tells (`SYN_SENT`, or `TIME_WAIT` on the end that closed is not used).
    State,
    /// The port lies in the host's ephemeral range.
    EphemeralRange,
}

/// How a flow's service is known, best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceMethod {
    /// The kernel told who held the socket.
    #[default]
    Socket,
    /// The connections were closed before anybody could look; this is the only local service that was seen holding one to
    /// that port of that peer.
    OnlyCaller,
}

impl SectionData for Connections {
    const NAME: &'static str = "connections";

    fn stable(&self) -> impl Serialize + '_ {
        self.flows
            .iter()
            .map(|flow| (flow.direction, flow.protocol, &flow.service, &flow.network, flow.local_port, flow.peer_address, flow.peer_port))
            .collect::<BTreeSet<_>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v1::{Section, SectionStatus};

    fn connections(samples: u32, peer_port: u16) -> Connections {
        let at = Timestamp::from_millis(i64::from(samples));
        let flow = Flow {
            direction: Direction::Outgoing,
            direction_method: DirectionMethod::Listener,
            protocol: Protocol::Tcp,
            service: Some(ServiceKey::unit("app.service")),
            service_method: None,
            network: None,
            local_address: "10.0.0.1".parse().unwrap(),
            local_port: None,
            peer_address: "10.0.0.2".parse().unwrap(),
            peer_port: Some(peer_port),
            samples_seen: samples,
            first_seen: at,
            last_seen: at,
        };
        Connections { window_start: at, window_end: at, samples, flows: vec![flow] }
    }

    fn digest(data: &impl SectionData) -> crate::Digest {
        Section::new(SectionStatus::Ok, Timestamp::default(), 1, Some(data)).unwrap().digest
    }

    #[test]
    fn a_busier_window_is_no_change_but_a_new_peer_is() {
        assert_eq!(digest(&connections(3, 5432)), digest(&connections(90, 5432)));
        assert_ne!(digest(&connections(3, 5432)), digest(&connections(3, 5433)));
    }
}
