use rollcall_shared::CiId;

use crate::{
    Estate,
    model::{Ci, Endpoint, IdentityKey, IdentityKeyKind, Lifecycle},
};

/// The machine that a service runs on, or the machine itself; `None` for what is neither.
pub(crate) fn hosting_machine(estate: &Estate, ci: &Ci) -> Option<CiId> {
    let key = ci.keys.iter().find(|key| key.kind == IdentityKeyKind::ServiceOnMachine);
    match key {
        Some(key) => key.value.split_once('|').and_then(|(machine, _)| machine.parse().ok()),
        None => estate.is_a(ci, "machine").then_some(ci.id),
    }
}

/// The service that is known to listen at an address of a realm now, else the machine or host whose the address is. `None` where nobody is known
/// to have it, or several.
pub fn listening_at(estate: &Estate, realm: &str, endpoint: &Endpoint) -> Option<CiId> {
    let key = IdentityKey { kind: IdentityKeyKind::AddressInRealm, value: format!("{realm}|{}", endpoint.address.to_canonical()) };
    let active = |ci: &&Ci| ci.lifecycle == Lifecycle::Active;
    let (machines, hosts): (Vec<&Ci>, Vec<&Ci>) =
        estate.with_key(&key).filter(active).partition(|ci| hosting_machine(estate, ci) == Some(ci.id));
    let host = match (&machines[..], &hosts[..]) {
        ([one], _) | ([], [one]) => *one,
        _ => return None,
    };
    let receives = |ci: &Ci| {
        let endpoints = ci.value("endpoints").and_then(|value| value.as_array()).into_iter().flatten();
        endpoints.filter_map(|text| text.as_str()?.parse::<Endpoint>().ok()).any(|it| it.receives(endpoint))
    };
    let on_it = host.agent.into_iter().flat_map(|agent| estate.reported_by(agent)).filter(active);
    let mut services = on_it.filter(|ci| ci.id != host.id && hosting_machine(estate, ci) == Some(host.id) && receives(ci));
    match (services.next(), services.next()) {
        (Some(one), None) => Some(one.id),
        _ => Some(host.id),
    }
}

/// What program a service is, so that the same one on another machine is recognised: the daemon that everybody knows, else the executable's
/// name, else its own.
pub(crate) fn kind_of(ci: &Ci) -> &str {
    let executable = ci.text("executable").and_then(|path| path.rsplit(['/', '\\']).next()).filter(|name| !is_interpreter(name));
    ci.text("daemon").or(executable).unwrap_or(&ci.name)
}

/// Programs that run others' programs: two services that are both "java" are not the same.
fn is_interpreter(executable: &str) -> bool {
    let name = executable.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    ["bash", "beam.smp", "bun", "deno", "dotnet", "java", "mono", "node", "perl", "php", "php-fpm", "python", "ruby", "sh"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_is_not_the_program() {
        for (executable, expected) in [("python3.11", true), ("java", true), ("node", true), ("nginx", false), ("node_exporter", false)] {
            assert_eq!(is_interpreter(executable), expected, "{executable}");
        }
    }
}
