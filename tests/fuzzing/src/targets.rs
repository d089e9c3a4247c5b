//! What is fuzzed: every parser that is given bytes or text from outside. One line each in [`TARGETS`].
//!
//! `agent/tests/fuzzed.rs` runs the same table over mutated fixtures, and fails when a parser of `agent/src/parse` is not
//! called here.

use std::hint::black_box;

use rollcall_agent::parse::config::{blocks, connection, flat, ini, php, settings, words, yaml};
use rollcall_agent::parse::{
    accounts, apt_lists, ata, certificate, certificate_uses, cgroup, cloud, command_line, container_images, cpuinfo, cron, cups,
    device_mapper, dnf_history, dpkg, edid,
    forwarding::{iptables, nftables},
    guests, hardware_ids, inet_diag, init_script, input_devices, kernel, key_value, krb5, kubernetes, language_packages, lldp,
    login_records, lvm_backup, lxd, mdns, mountinfo, netlink, oci, oui, package_databases, polkit, proc_net, process_stat, proxies, routes,
    rpm, screen_lock, smartd, smbios, sound_cards, sqlite, ssdp, text, udev, unit_file,
};
use rollcall_agent::redact;

/// One thing fuzzed.
pub(crate) struct Target {
    /// The module's name.
    pub(crate) name: &'static str,
    /// Gives bytes to it. It may answer what it likes, but must answer.
    pub(crate) run: fn(&[u8]),
}

/// Everything that is fuzzed.
pub(crate) const TARGETS: &[Target] = &[
    Target { name: "accounts", run: run_accounts },
    Target { name: "ata", run: |bytes| drop(black_box(ata::information(bytes))) },
    Target { name: "apt_lists", run: run_apt_lists },
    Target { name: "certificate", run: |bytes| drop(black_box(certificate::certificates(bytes, 10))) },
    Target { name: "certificate_uses", run: run_certificate_uses },
    Target { name: "cgroup", run: |bytes| drop(black_box(cgroup::place(bytes))) },
    Target { name: "cloud", run: run_cloud },
    Target { name: "command_line", run: run_command_line },
    Target { name: "configuration", run: run_configuration },
    Target { name: "connection", run: run_connection },
    Target { name: "container_images", run: |bytes| drop(black_box((container_images::docker(bytes), container_images::podman(bytes)))) },
    Target { name: "cpuinfo", run: |bytes| drop(black_box(cpuinfo::cpuinfo(bytes))) },
    Target {
        name: "cron",
        run: |bytes| drop(black_box((cron::crontab(bytes, true), cron::crontab(bytes, false), cron::anacrontab(bytes)))),
    },
    Target { name: "cups", run: |bytes| drop(black_box((cups::printers(bytes), cups::ppd_model(bytes)))) },
    Target { name: "device_mapper", run: run_device_mapper },
    Target { name: "dnf_history", run: run_dnf_history },
    Target { name: "dpkg", run: |bytes| drop(black_box((dpkg::status(bytes), dpkg::automatic(bytes)))) },
    Target { name: "edid", run: |bytes| drop(black_box(edid::monitor(bytes))) },
    Target {
        name: "forwarding",
        run: |bytes| {
            let nft = nftables::rules(bytes, &mut |_| vec![bytes.to_vec()]);
            drop(black_box((iptables::saved(bytes).rules(), nft.rules())));
        },
    },
    Target { name: "guests", run: run_guests },
    Target { name: "hardware_ids", run: run_hardware_ids },
    Target { name: "inet_diag", run: run_inet_diag },
    Target { name: "init_script", run: |bytes| drop(black_box(init_script::init_script(bytes))) },
    Target { name: "input_devices", run: |bytes| drop(black_box(input_devices::input_devices(bytes))) },
    Target { name: "kernel", run: run_kernel },
    Target { name: "key_value", run: run_key_value },
    Target { name: "krb5", run: |bytes| drop(black_box(krb5::kerberos(bytes))) },
    Target { name: "kubernetes", run: run_kubernetes },
    Target { name: "language_packages", run: run_language_packages },
    Target { name: "lldp", run: |bytes| drop(black_box((lldp::saved(bytes), lldp::neighbour(bytes)))) },
    Target { name: "login_records", run: run_login_records },
    Target { name: "lvm_backup", run: |bytes| drop(black_box(lvm_backup::volume_group(bytes))) },
    Target { name: "lxd", run: |bytes| drop(black_box(lxd::backup(bytes, "lxd", "name"))) },
    Target { name: "mdns", run: |bytes| drop(black_box(mdns::announcement(bytes, [192, 168, 1, 20].into()))) },
    Target { name: "mountinfo", run: run_mountinfo },
    Target { name: "netlink", run: run_netlink },
    Target { name: "oci", run: |bytes| drop(black_box(oci::container(bytes, "id"))) },
    Target { name: "oui", run: run_oui },
    Target { name: "package_databases", run: run_package_databases },
    Target { name: "proc_net", run: |bytes| assert!(black_box(proc_net::sockets(bytes).count()) <= bytes.len()) },
    Target { name: "polkit", run: |bytes| drop(black_box((polkit::rules(bytes), polkit::local_authority(bytes)))) },
    Target { name: "process_stat", run: run_process_stat },
    Target {
        name: "proxies",
        run: |bytes| {
            let environments = (proxies::assignments(bytes), proxies::manager(bytes));
            drop(black_box((environments, proxies::apt(bytes), proxies::dnf(bytes))));
        },
    },
    Target { name: "redact", run: run_redact },
    Target { name: "routes", run: run_routes },
    Target { name: "smartd", run: run_smartd },
    Target { name: "rpm", run: |bytes| drop(black_box((rpm::header(bytes), rpm::listed(bytes), rpm::file(bytes, 1)))) },
    Target { name: "screen_lock", run: run_screen_lock },
    Target { name: "smbios", run: run_smbios },
    Target { name: "sound_cards", run: |bytes| drop(black_box(sound_cards::sound_cards(bytes))) },
    Target { name: "spool", run: run_spool },
    Target { name: "sqlite", run: run_sqlite },
    Target { name: "ssdp", run: |bytes| drop(black_box(ssdp::notice(bytes))) },
    Target { name: "state", run: run_state },
    Target { name: "text", run: run_text },
    Target { name: "udev", run: run_udev },
    Target { name: "unit_file", run: |bytes| drop(black_box(unit_file::unit_file(bytes))) },
];

/// As text, with what is not text replaced.
fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The first line as an argument, and the rest.
fn argument(bytes: &[u8]) -> (String, &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (first, rest) = bytes.split_at(end);
    (lossy(first), rest.get(1..).unwrap_or_default())
}

fn run_accounts(bytes: &[u8]) {
    black_box((accounts::users(bytes), accounts::groups(bytes)));
    let (host, rest) = argument(bytes);
    black_box(accounts::sudoers(rest, &host));
}

fn run_cloud(bytes: &[u8]) {
    black_box(cloud::instance_data(bytes));
    let text = lossy(bytes);
    black_box(cloud::from_dmi(|_| Some(text.clone())));
}

fn run_apt_lists(bytes: &[u8]) {
    black_box((apt_lists::release(bytes), apt_lists::offer(bytes), apt_lists::heading(bytes), apt_lists::updates_available(bytes)));
    black_box((apt_lists::first(bytes, true), apt_lists::first(bytes, false)));
    let (version, rest) = argument(bytes);
    black_box(apt_lists::compare_versions(&version, &lossy(rest)));
}

fn run_certificate_uses(bytes: &[u8]) {
    use certificate_uses::Syntax;
    for syntax in [Syntax::Directive(&["ssl_certificate"]), Syntax::Setting(&["ssl_cert"]), Syntax::Word("crt")] {
        black_box(certificate_uses::named(bytes, syntax, "/etc"));
    }
}

fn run_kubernetes(bytes: &[u8]) {
    black_box((kubernetes::servers(bytes), kubernetes::node_name(bytes), kubernetes::kubelet(bytes), kubernetes::pod(&lossy(bytes))));
    let (flag, rest) = argument(bytes);
    black_box(kubernetes::flag(rest, &flag));
}

fn run_language_packages(bytes: &[u8]) {
    black_box((language_packages::python(bytes), language_packages::npm(bytes), language_packages::gem(&lossy(bytes))));
}

fn run_screen_lock(bytes: &[u8]) {
    for (_, screen_saver, session) in screen_lock::DCONF_DESKTOPS {
        black_box((screen_lock::dconf(bytes, screen_saver, session), screen_lock::dconf_enforces(bytes, screen_saver)));
    }
    black_box((screen_lock::kde(bytes), screen_lock::xscreensaver(bytes), screen_lock::logind(bytes)));
}

fn run_sqlite(bytes: &[u8]) {
    const LONGEST_ROW: usize = 64 << 10;
    if let Some(database) = sqlite::Database::open(bytes, LONGEST_ROW)
        && let Some(table) = database.table("t")
    {
        black_box(database.rows(&table, |_, row| {
            black_box(row.len());
        }));
        black_box(database.row_at(&table, 60, |row| {
            black_box(row.len());
        }));
    }
}

fn run_dnf_history(bytes: &[u8]) {
    if let Some(database) = sqlite::Database::open(bytes, 4 << 10) {
        black_box(dnf_history::origins(&database));
    }
    let (name, rest) = argument(bytes);
    black_box(dnf_history::key(&name, &lossy(rest), ""));
}

fn run_command_line(bytes: &[u8]) {
    black_box((command_line::arguments(bytes), command_line::environment(bytes)));
    for interpreter in ["python3", "java", "node", "sh"] {
        black_box(command_line::program(interpreter, bytes));
    }
    let (interpreter, rest) = argument(bytes);
    black_box(command_line::program(&interpreter, rest));
}

/// The languages that servers are configured in.
fn run_configuration(bytes: &[u8]) {
    for grammar in [blocks::NGINX, blocks::BIND, blocks::KEEPALIVED, blocks::CADDY] {
        black_box(blocks::statements(bytes, grammar));
    }
    let flat = [flat::json(bytes), flat::toml(bytes), yaml::settings(bytes), php::settings(bytes)];
    for written in &flat {
        let named = settings::named(written.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        assert!(named.len() <= 256);
        black_box((flat::first(written, "a"), flat::all(written, "a").count()));
    }
    let entries = ini::entries(bytes);
    black_box(ini::last(&entries, "", "port"));
    for line in words::lines(bytes) {
        black_box(words::option(&line, "-c"));
    }
    black_box(words::words(&lossy(bytes)));
}

/// Connection strings, and their parts.
fn run_connection(bytes: &[u8]) {
    let text = lossy(bytes);
    black_box((connection::targets(&text), connection::usual_port(&text), connection::host(&text), connection::name(&text)));
    black_box((connection::host_port(&text, "tcp", None), connection::socket("tcp", &text)));
    for prefix in ["postgres://", "jdbc:oracle:thin:", "jdbc:sqlserver://", "mysql:host=", "Server="] {
        black_box(connection::targets(&format!("{prefix}{text}")));
    }
}

fn run_redact(bytes: &[u8]) {
    let text = lossy(bytes);
    black_box((redact::command(&text), redact::text(&text), redact::is_secret_name(&text), redact::section(&text)));
}

fn run_device_mapper(bytes: &[u8]) {
    let text = lossy(bytes);
    black_box(device_mapper::kind(&text));
    black_box(device_mapper::lvm_names(&text));
}

fn run_guests(bytes: &[u8]) {
    black_box((guests::libvirt(bytes), guests::docker(bytes), guests::podman(bytes)));
    black_box((guests::lxc(bytes, "name"), guests::proxmox(bytes, "proxmox_qemu", "100")));
}

fn run_hardware_ids(bytes: &[u8]) {
    let (id, rest) = argument(bytes);
    for (database, id) in [(bytes, "8086"), (rest, &*id)] {
        let part = hardware_ids::vendor(database, id).unwrap_or_default();
        black_box((hardware_ids::names_of(&database[part], id), hardware_ids::packed_names(database, id, id)));
    }
    if let [class, subclass, protocol, ..] = *bytes {
        black_box((hardware_ids::pci_class(class, subclass), hardware_ids::usb_class(class, subclass, protocol)));
    }
}

fn run_inet_diag(bytes: &[u8]) {
    black_box(inet_diag::messages(bytes).count());
    black_box(inet_diag::request(inet_diag::IPV4, bytes.first().copied().unwrap_or(inet_diag::TCP), u32::MAX, 0));
}

fn run_kernel(bytes: &[u8]) {
    black_box((kernel::modules(bytes), kernel::apt_periodic(bytes, "APT::Periodic::Unattended-Upgrade")));
    let (key, rest) = argument(bytes);
    black_box((kernel::ini(rest, "commands", &key), kernel::ini(rest, &key, "apply_updates"), kernel::apt_periodic(rest, &key)));
    black_box(kernel::newest(&key, &lossy(rest).lines().map(str::to_owned).collect::<Vec<_>>()));
    black_box(kernel::taints(bytes.first_chunk().map_or(0, |bits| u64::from_ne_bytes(*bits))));
}

fn run_key_value(bytes: &[u8]) {
    black_box((key_value::os_release(bytes), key_value::meminfo(bytes, "MemTotal"), key_value::resolv_conf(bytes)));
    let (host, rest) = argument(bytes);
    black_box((key_value::passwd(bytes), key_value::fqdn_in_hosts(rest, &host)));
}

fn run_login_records(bytes: &[u8]) {
    black_box((login_records::wtmp(bytes), login_records::lastlog(bytes, "root")));
    black_box((login_records::lastlog2(bytes), login_records::wtmpdb(bytes)));
}

fn run_mountinfo(bytes: &[u8]) {
    for mount in mountinfo::mountinfo(bytes) {
        black_box((mount.server(), mount.is_storage()));
    }
}

fn run_netlink(bytes: &[u8]) {
    black_box((netlink::link(bytes), netlink::routes(bytes), netlink::neighbour(bytes)));
    black_box((netlink::generic_family(bytes), netlink::wireless_network(bytes)));
}

fn run_oui(bytes: &[u8]) {
    let read = |at: u64, length: usize| {
        let at = usize::try_from(at).ok()?;
        Some(bytes.get(at..)?.iter().copied().take(length).collect())
    };
    black_box(oui::vendor(read, "00:11:22:33:44:55"));
    black_box(oui::is_of_a_maker(&lossy(bytes)));
}

fn run_package_databases(bytes: &[u8]) {
    black_box((package_databases::apk(bytes), package_databases::pacman(bytes), package_databases::apk_owners(bytes, |_| true)));
    black_box((package_databases::snap_version(bytes), package_databases::appstream_version(bytes)));
    black_box((package_databases::desktop_entry(bytes), package_databases::app_image(&lossy(bytes))));
}

fn run_process_stat(bytes: &[u8]) {
    black_box((process_stat::stat(bytes), process_stat::effective_user(bytes), process_stat::socket_inode(bytes)));
}

fn run_routes(bytes: &[u8]) {
    black_box((routes::gateways(&routes::ipv4_routes(bytes)), routes::gateways(&routes::ipv6_routes(bytes))));
    black_box(routes::temporary_addresses(bytes));
}

fn run_smartd(bytes: &[u8]) {
    black_box(smartd::state(bytes));
    let (name, rest) = argument(bytes);
    black_box((smartd::is_of(&name, &lossy(rest)), smartd::in_file_name(&name)));
}

fn run_smbios(bytes: &[u8]) {
    let version = smbios::version(bytes).unwrap_or((3, 0));
    black_box(smbios::tables(bytes, version));
    black_box(smbios::tables(bytes, (2, 5)));
    black_box(smbios::iso_date(&lossy(bytes)));
    black_box(bytes.first().and_then(|code| smbios::chassis_form(*code)));
}

fn run_udev(bytes: &[u8]) {
    let (name, rest) = argument(bytes);
    black_box((udev::property(bytes, "ID_FS_TYPE"), udev::property(rest, &name)));
}

fn run_text(bytes: &[u8]) {
    for line in text::lines(bytes) {
        black_box((text::clean(line), text::number::<u64>(line), text::number_list(line), text::fields(line).count()));
    }
}

/// A directory for the files under test, below `TMPDIR`; whoever set that removes it.
fn directory() -> &'static std::path::Path {
    static DIRECTORY: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("rollcall-fuzzing-{}", std::process::id()));
        std::fs::create_dir_all(path.join("spool")).expect("a directory for the files under test");
        path
    })
}

/// Removes what the targets left behind.
pub(crate) fn tidy() {
    let _ = std::fs::remove_dir_all(directory());
}

/// What lies in the spool, by every name that it reads; and what lies within the seal, which nobody can guess.
fn run_spool(bytes: &[u8]) {
    use rollcall_agent::spool::{DEFAULT_LIMIT, Role, Snapshot, Spool, Upload};
    let directory = directory().join("spool");
    let spool = Spool::new(&directory, DEFAULT_LIMIT);
    static PREPARED: std::sync::Once = std::sync::Once::new();
    PREPARED.call_once(|| spool.prepare(&[Role::Reader, Role::Sender]).expect("a spool"));
    for (side, name) in [("reader", "inventory.rcs"), ("reader", "windows.rcs"), ("sender", "upload.rcs"), ("sender", "acknowledged.rcs")] {
        std::fs::write(directory.join(side).join(name), bytes).expect("a file under test");
    }
    let (reader, sender) = (spool.reader(), spool.sender());
    let _ = black_box((reader.inventory(), reader.windows(), sender.upload(), sender.acknowledged()));
    let _ = black_box(Upload::from_content(bytes.to_vec()));
    if let Ok(snapshot) = Snapshot::from_content(bytes.to_vec()) {
        let names: Vec<String> = snapshot.digests().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            let _ = black_box((snapshot.size(&name), snapshot.section(&name)));
        }
    }
}

/// What lies in the state directory, by every name that is read.
fn run_state(bytes: &[u8]) {
    let directory = directory();
    let state = rollcall_agent::state::StateDirectory::new(directory);
    for name in ["identity.json", "progress.json", "enrollment.json", "key.pem"] {
        std::fs::write(directory.join(name), bytes).expect("a file under test");
    }
    let _ = black_box((state.identity(), state.progress(), state.enrollment()));
}
