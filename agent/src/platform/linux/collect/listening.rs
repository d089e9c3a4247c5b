//! Sockets that wait for connections.

use std::collections::BTreeSet;

use rollcall_shared::wire::v1::{Listening, ListeningSocket};

use super::{Machine, Outcome};
use crate::{
    observe::Listener,
    parse::{cgroup::Place, command_line, config::words},
    processes::Process,
};

/// Told where the kernel keeps owners back.
const DENIED: &str = "processes of other users may not be looked into; run the agent as root or with its unit's capabilities";

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Listening> {
    let attribution = match &machine.attribution {
        Ok(attribution) => attribution,
        Err(reason) => return Outcome::Failed(reason.clone()),
    };
    let sockets: BTreeSet<ListeningSocket> = attribution.listeners.iter().map(|listener| socket(machine, listener)).collect();
    let is_denied = attribution.denied && sockets.iter().any(|socket| socket.service.is_none());
    let data = Listening { sockets: sockets.into_iter().collect() };
    if is_denied { Outcome::Partial(data, DENIED.to_owned()) } else { Outcome::Data(data) }
}

fn socket(machine: &Machine<'_>, listener: &Listener) -> ListeningSocket {
    let process = listener.pid.and_then(|pid| machine.processes().get(pid));
    let executable = process.as_ref().and_then(|process| process.executable.clone());
    let in_container = process.as_ref().is_some_and(|process| matches!(process.place, Place::Container(_)));
    let container = listener.owner.service().and_then(|key| key.0.strip_prefix("container:")).map(str::to_owned);
    ListeningSocket {
        protocol: listener.protocol,
        address: listener.at.ip(),
        port: listener.at.port(),
        service: listener.owner.service().cloned(),
        network: listener.network.clone(),
        process: listener.process.clone(),
        // Files and users of a container are not this machine's.
        package: executable.as_ref().filter(|_| !in_container).and_then(|executable| machine.owners().get(executable)).cloned(),
        user: process.as_ref().filter(|_| !in_container).and_then(|process| process.user.clone()),
        container: container.or_else(|| forwards_to(machine, process.as_ref()?)),
        executable,
    }
}

/// The container that Docker's proxy forwards to: `docker-proxy … -container-ip 172.17.0.2 …`.
fn forwards_to(machine: &Machine<'_>, process: &Process) -> Option<String> {
    if !process.executable.as_deref()?.ends_with("/docker-proxy") {
        return None;
    }
    let arguments = command_line::arguments(&machine.root.read(&format!("/proc/{}/cmdline", process.pid)).ok()?);
    machine.processes().container_at(words::option(&arguments, "-container-ip")?)
}
