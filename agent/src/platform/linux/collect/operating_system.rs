//! The operating system.

use rollcall_shared::{Timestamp, wire::v1::OperatingSystem};

use super::{Machine, Outcome};
use crate::parse::key_value;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<OperatingSystem> {
    let root = machine.root;
    let release = match root.read("/etc/os-release").or_else(|_| root.read("/usr/lib/os-release")) {
        Ok(bytes) => key_value::os_release(&bytes),
        Err(error) => return Outcome::failed("/etc/os-release", &error),
    };
    let value = |key: &str| release.get(key).cloned();
    // Debian's os-release knows the major version only.
    let debian_version = || root.text("/etc/debian_version").filter(|text| text.starts_with(|c: char| c.is_ascii_digit()));
    let id = value("ID");
    let version = if id.as_deref() == Some("debian") { debian_version().or_else(|| value("VERSION_ID")) } else { value("VERSION_ID") };
    let mut found = OperatingSystem {
        family: "linux".to_owned(),
        name: value("PRETTY_NAME").or_else(|| value("NAME")),
        codename: value("VERSION_CODENAME"),
        version,
        id,
        timezone: timezone(machine),
        installed_at: installed_at(machine),
        ..OperatingSystem::default()
    };
    if root.is_live() {
        let uname = rustix::system::uname();
        let text = |text: &std::ffi::CStr| crate::parse::text::clean(text.to_bytes());
        found.kernel_release = text(uname.release());
        found.kernel_version = text(uname.version());
        found.architecture = text(uname.machine());
        let booted = sysinfo::System::boot_time().ok().and_then(|seconds| i64::try_from(seconds).ok());
        found.booted_at = booted.filter(|&seconds| seconds > 0).map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1_000)));
    }
    Outcome::Data(found)
}

fn timezone(machine: &Machine<'_>) -> Option<String> {
    let from_link = || machine.root.link("/etc/localtime")?.split_once("zoneinfo/").map(|(_, zone)| zone.to_owned());
    let zone = from_link().or_else(|| machine.root.text("/etc/timezone"))?;
    (zone.len() <= 64).then_some(zone)
}

/// When what only an installer makes was made. Values at the epoch come from images that were built reproducibly, and
/// would be wrong; they are left out.
fn installed_at(machine: &Machine<'_>) -> Option<Timestamp> {
    const FROM_INSTALLERS: &[&str] = &["/var/log/installer", "/root/anaconda-ks.cfg", "/var/log/anaconda", "/lost+found"];
    const PLAUSIBLE: i64 = 946_684_800_000;
    let dates = FROM_INSTALLERS.iter().filter_map(|path| machine.root.modified(path));
    dates.filter(|date| date.as_millis() >= PLAUSIBLE).min()
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn debian_tells_its_point_release_in_a_file_of_its_own() {
        let files = [
            (
                "/etc/os-release",
                "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\n",
            ),
            ("/etc/debian_version", "12.11\n"),
            ("/etc/localtime", "-> /usr/share/zoneinfo/Europe/Berlin"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!((found.version.as_deref(), found.codename.as_deref()), (Some("12.11"), Some("bookworm")));
        assert_eq!(found.timezone.as_deref(), Some("Europe/Berlin"));
        assert!(matches!(collect_one(&[], collect), Outcome::Failed(_)));
    }
}
