use rollcall_shared::{CiId, catalogue};

use crate::model::{Ci, IdentityKeyKind};

/// The machine that a service runs on, or the machine itself; `None` for what is neither.
pub(crate) fn hosting_machine(ci: &Ci) -> Option<CiId> {
    let key = ci.keys.iter().find(|key| key.kind == IdentityKeyKind::ServiceOnMachine);
    match key {
        Some(key) => key.value.split_once('|').and_then(|(machine, _)| machine.parse().ok()),
        None => catalogue::class(&ci.class).is_some_and(|class| class.is_a("machine")).then_some(ci.id),
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
