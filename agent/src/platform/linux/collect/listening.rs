//! Sockets that wait for connections.

use std::collections::BTreeSet;

use rollcall_shared::wire::v1::{Listening, ListeningSocket};

use super::{Machine, Outcome};

/// Told where the kernel keeps owners back.
const DENIED: &str = "processes of other users may not be looked into; run the agent as root or with its unit's capabilities";

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Listening> {
    let attribution = match &machine.attribution {
        Ok(attribution) => attribution,
        Err(reason) => return Outcome::Failed(reason.clone()),
    };
    let sockets: BTreeSet<ListeningSocket> = attribution
        .listeners
        .iter()
        .map(|listener| ListeningSocket {
            protocol: listener.protocol,
            address: listener.at.ip(),
            port: listener.at.port(),
            service: listener.owner.service().cloned(),
            network: listener.network.clone(),
            process: listener.process.clone(),
            ..ListeningSocket::default()
        })
        .collect();
    let is_denied = attribution.denied && sockets.iter().any(|socket| socket.service.is_none());
    let data = Listening { sockets: sockets.into_iter().collect() };
    if is_denied { Outcome::Partial(data, DENIED.to_owned()) } else { Outcome::Data(data) }
}
