//! Well-known firewalls, malware protection and remote control, by the files and units they install.

/// A product and how it is known.
pub(super) struct Tool {
    /// `firewall`, `antivirus`, `detection`, `remote_control`.
    pub(super) kind: &'static str,
    /// The product's name.
    pub(super) name: &'static str,
    /// Files, one of which is there where the product is installed.
    pub(super) files: &'static [&'static str],
    /// Units that start it with the machine.
    pub(super) units: &'static [&'static str],
}

const fn firewall(name: &'static str, files: &'static [&'static str], units: &'static [&'static str]) -> Tool {
    Tool { kind: "firewall", name, files, units }
}

const fn antivirus(name: &'static str, files: &'static [&'static str], units: &'static [&'static str]) -> Tool {
    Tool { kind: "antivirus", name, files, units }
}

const fn detection(name: &'static str, files: &'static [&'static str], units: &'static [&'static str]) -> Tool {
    Tool { kind: "detection", name, files, units }
}

const fn remote_control(name: &'static str, files: &'static [&'static str], units: &'static [&'static str]) -> Tool {
    Tool { kind: "remote_control", name, files, units }
}

/// Every product that is looked for, sorted by kind and name.
pub(super) const TOOLS: &[Tool] = &[
    antivirus("Bitdefender", &["/opt/bitdefender-security-tools"], &["bdsec.service"]),
    antivirus("ClamAV", &["/usr/sbin/clamd", "/usr/bin/clamd"], &["clamav-daemon.service", "clamd.service", "clamd@scan.service"]),
    antivirus("ESET", &["/opt/eset/efs", "/opt/eset/eea"], &["efs.service", "eea.service"]),
    antivirus("Kaspersky Endpoint Security", &["/opt/kaspersky/kesl"], &["kesl.service"]),
    antivirus("Microsoft Defender", &["/opt/microsoft/mdatp"], &["mdatp.service"]),
    antivirus("Sophos", &["/opt/sophos-spl", "/opt/sophos-av"], &["sophos-spl.service", "sav-protect.service"]),
    antivirus("Trellix Endpoint Security", &["/opt/McAfee/ens", "/opt/trellix/ens"], &["mfetpd.service"]),
    antivirus("Trend Micro Deep Security", &["/opt/ds_agent/ds_agent"], &["ds_agent.service"]),
    detection("CrowdSec", &["/usr/bin/crowdsec"], &["crowdsec.service"]),
    detection("CrowdStrike Falcon", &["/opt/CrowdStrike/falconctl"], &["falcon-sensor.service"]),
    detection("Elastic Agent", &["/opt/Elastic/Agent"], &["elastic-agent.service"]),
    detection("Falco", &["/usr/bin/falco"], &["falco.service", "falco-modern-bpf.service", "falco-bpf.service", "falco-kmod.service"]),
    detection("Linux audit", &["/usr/sbin/auditd", "/sbin/auditd"], &["auditd.service"]),
    detection("Palo Alto Cortex XDR", &["/opt/traps"], &["traps_pmd.service"]),
    detection("SentinelOne", &["/opt/sentinelone"], &["sentinelone.service"]),
    detection("VMware Carbon Black", &["/opt/carbonblack"], &["cbagentd.service"]),
    detection("Wazuh", &["/var/ossec/bin/wazuh-agentd"], &["wazuh-agent.service"]),
    detection("fail2ban", &["/usr/bin/fail2ban-server"], &["fail2ban.service"]),
    detection("osquery", &["/usr/bin/osqueryd", "/opt/osquery/bin/osqueryd"], &["osqueryd.service"]),
    firewall("firewalld", &["/usr/sbin/firewalld", "/usr/bin/firewalld"], &["firewalld.service"]),
    firewall(
        "iptables",
        &["/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables"],
        &["netfilter-persistent.service", "iptables.service", "ip6tables.service"],
    ),
    firewall("nftables", &["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft"], &["nftables.service"]),
    firewall("shorewall", &["/usr/sbin/shorewall", "/sbin/shorewall"], &["shorewall.service"]),
    // Its unit starts also where it is switched off; the collector asks its configuration.
    firewall(super::security::UFW, &["/usr/sbin/ufw", "/usr/bin/ufw"], &[]),
    remote_control("AnyDesk", &["/usr/bin/anydesk"], &["anydesk.service"]),
    remote_control("Chrome Remote Desktop", &["/opt/google/chrome-remote-desktop"], &[]),
    remote_control("Cockpit", &["/usr/lib/systemd/system/cockpit.socket", "/lib/systemd/system/cockpit.socket"], &["cockpit.socket"]),
    remote_control("GNOME Remote Desktop", &["/usr/libexec/gnome-remote-desktop-daemon"], &["gnome-remote-desktop.service"]),
    remote_control("MeshCentral", &["/usr/local/mesh_services/meshagent/meshagent"], &["meshagent.service"]),
    remote_control("NoMachine", &["/usr/NX/bin/nxserver"], &["nxserver.service"]),
    remote_control("RealVNC", &["/usr/bin/vncserver-x11-serviced"], &["vncserver-x11-serviced.service"]),
    remote_control("RustDesk", &["/usr/bin/rustdesk", "/usr/lib/rustdesk/rustdesk"], &["rustdesk.service"]),
    remote_control("Splashtop", &["/opt/splashtop-streamer"], &["SRStreamer.service"]),
    remote_control("TeamViewer", &["/opt/teamviewer/tv_bin/teamviewerd"], &["teamviewerd.service"]),
    remote_control("TigerVNC", &["/usr/bin/Xtigervnc", "/usr/bin/Xvnc"], &[]),
    remote_control("Webmin", &["/etc/webmin/miniserv.conf"], &["webmin.service"]),
    remote_control("x11vnc", &["/usr/bin/x11vnc"], &["x11vnc.service"]),
    remote_control("xrdp", &["/usr/sbin/xrdp"], &["xrdp.service"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_product_can_be_found() {
        let keys: Vec<_> = TOOLS.iter().map(|tool| (tool.kind, tool.name)).collect();
        assert!(keys.is_sorted(), "{keys:?}");
        assert!(TOOLS.iter().all(|tool| !tool.files.is_empty() && tool.files.iter().all(|file| file.starts_with('/'))));
    }
}
