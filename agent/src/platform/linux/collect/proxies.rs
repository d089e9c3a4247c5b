//! Proxies that files set for everybody.

use rollcall_shared::wire::v1::ProxySetting;

use crate::{files::Root, parse::proxies};

const MOST: usize = 64;

/// How a file is read.
type Read = fn(&[u8]) -> Vec<proxies::Setting>;

/// The settings, by file.
pub(super) fn found(root: &Root) -> Vec<ProxySetting> {
    let below = |directory: &str, end: &str| {
        let names = root.names(directory).unwrap_or_default();
        names.into_iter().filter(|name| name.ends_with(end)).map(|name| format!("{directory}/{name}")).collect::<Vec<_>>()
    };
    let mut files: Vec<(String, Read)> = Vec::new();
    for file in ["/etc/environment", "/etc/sysconfig/proxy", "/etc/wgetrc"] {
        files.push((file.to_owned(), proxies::assignments));
    }
    files.extend(below("/etc/profile.d", ".sh").into_iter().map(|file| (file, proxies::assignments as _)));
    files.extend(below("/etc/environment.d", ".conf").into_iter().map(|file| (file, proxies::assignments as _)));
    files.push(("/etc/systemd/system.conf".to_owned(), proxies::manager));
    files.extend(below("/etc/systemd/system.conf.d", ".conf").into_iter().map(|file| (file, proxies::manager as _)));
    files.push(("/etc/apt/apt.conf".to_owned(), proxies::apt));
    files.extend(below("/etc/apt/apt.conf.d", "").into_iter().map(|file| (file, proxies::apt as _)));
    for file in ["/etc/dnf/dnf.conf", "/etc/yum.conf"] {
        files.push((file.to_owned(), |bytes| proxies::dnf(bytes).into_iter().collect()));
    }
    let settings = files.into_iter().flat_map(|(file, read)| {
        let settings = root.read(&file).map(|bytes| read(&bytes)).unwrap_or_default();
        settings.into_iter().map(move |(scheme, value)| ProxySetting { file: file.clone(), scheme, value })
    });
    settings.take(MOST).collect()
}
