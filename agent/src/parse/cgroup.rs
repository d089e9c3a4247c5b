//! `/proc/PID/cgroup`: which unit, container or session a process belongs to.

use super::text::lines;

/// What a control group path says about a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A unit of the system's service manager: `nginx.service`.
    Unit(String),
    /// A container, by its id of 64 digits or its name.
    Container(String),
    /// A person's login session: a shell, an ssh session, and what was started from it.
    Session,
    /// Nothing that names it.
    Unknown,
}

/// Reads the whole file: the unified hierarchy where it has a path, else systemd's own.
pub fn place(bytes: &[u8]) -> Place {
    let mut fallback = Place::Unknown;
    for line in lines(bytes) {
        let mut parts = line.splitn(3, |&byte| byte == b':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let Ok(path) = std::str::from_utf8(path) else { continue };
        // OpenRC without systemd: its own hierarchy, or `/openrc.NAME` in the unified one.
        let openrc = if controllers == b"name=openrc" { path.strip_prefix('/') } else { path.strip_prefix("/openrc.") };
        if let Some(name) = openrc.filter(|name| !name.is_empty() && name.len() <= 256 && !name.contains('/')) {
            return Place::Unit(name.to_owned());
        }
        let found = of_path(path);
        // Any hierarchy may name a container; only the unified and systemd's own ones name units.
        let names_units = controllers.is_empty() || controllers == b"name=systemd";
        match found {
            Place::Container(_) => return found,
            Place::Unknown => {}
            _ if names_units && fallback == Place::Unknown => fallback = found,
            _ => {}
        }
    }
    fallback
}

fn of_path(path: &str) -> Place {
    let mut result = Place::Unknown;
    let mut in_user_manager = false;
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if let Some(name) = container(part) {
            return Place::Container(name);
        }
        if part.starts_with("session-") && part.ends_with(".scope") {
            return Place::Session;
        }
        if part.starts_with("user@") && part.ends_with(".service") {
            // Units of a person's own manager are not the machine's.
            in_user_manager = true;
            result = Place::Unknown;
        } else if part.ends_with(".service") && !in_user_manager && part.len() <= 256 {
            result = Place::Unit(unescaped(part));
        }
    }
    // Docker and Kubernetes without systemd: /docker/ID, /kubepods/…/ID; LXC: /lxc/NAME or /lxc.payload.NAME.
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        match part {
            "lxc" => return parts.next().map_or(result, |name| Place::Container(name.to_owned())),
            "docker" | "kubepods" | "libpod" | "podman" => {
                if let Some(id) = path.split('/').rfind(|part| is_id(part)) {
                    return Place::Container(id.to_owned());
                }
            }
            _ => {}
        }
    }
    result
}

fn container(part: &str) -> Option<String> {
    const SCOPES: &[&str] = &["docker-", "libpod-", "cri-containerd-", "crio-", "containerd-"];
    if let Some(name) = part.strip_prefix("lxc.payload.") {
        return Some(name.to_owned()).filter(|name| !name.is_empty());
    }
    let id = part.strip_suffix(".scope")?;
    let id = SCOPES.iter().find_map(|prefix| id.strip_prefix(prefix))?;
    is_id(id).then(|| id.to_owned())
}

fn is_id(part: &str) -> bool {
    part.len() == 64 && part.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The kernel prefixes names that it reserves with an underscore; systemd does it when needed.
fn unescaped(part: &str) -> String {
    part.strip_prefix('_').unwrap_or(part).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_path_is_understood() {
        let id = "0123456789abcdef".repeat(4);
        let cases = [
            ("0::/system.slice/nginx.service", Place::Unit("nginx.service".into())),
            ("0::/system.slice/system-postgresql.slice/postgresql@15-main.service", Place::Unit("postgresql@15-main.service".into())),
            ("0::/user.slice/user-1000.slice/session-3.scope", Place::Session),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service", Place::Unknown),
            (&format!("0::/system.slice/docker-{id}.scope"), Place::Container(id.clone())),
            (&format!("12:pids:/docker/{id}\n0::/"), Place::Container(id.clone())),
            (&format!("0::/kubepods/burstable/pod1/{id}"), Place::Container(id.clone())),
            ("0::/lxc.payload.web1/system.slice/x.service", Place::Container("web1".into())),
            ("9:name=systemd:/system.slice/ssh.service\n8:pids:/\n0::/", Place::Unit("ssh.service".into())),
            ("9:name=systemd:/\n0::/", Place::Unknown),
            ("0::/init.scope", Place::Unknown),
            ("0::/openrc.nginx", Place::Unit("nginx".into())),
            ("1:name=openrc:/sshd\n0::/", Place::Unit("sshd".into())),
        ];
        for (text, expected) in cases {
            assert_eq!(place(text.as_bytes()), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            place(&bytes);
        }
    }
}
