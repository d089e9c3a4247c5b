use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};
use rollcall_shared::Timestamp;

use super::{
    answer::Format,
    message::{self, Inventory, Message},
    sections,
};

fn zlib(text: &str) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn inventory(text: &str) -> Inventory {
    match message::read(text.as_bytes()).ok().expect("readable").message {
        Message::Inventory(inventory) => inventory,
        other => panic!("{other:?}"),
    }
}

const XML: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<REQUEST>
  <CONTENT>
    <BIOS><SMANUFACTURER>Dell Inc.</SMANUFACTURER><SMODEL>R740</SMODEL><SSN>ABC1234</SSN></BIOS>
    <CPUS><NAME>Xeon</NAME><CORE>8</CORE><THREAD>16</THREAD></CPUS>
    <CPUS><NAME>Xeon</NAME><CORE>8</CORE><THREAD>16</THREAD></CPUS>
    <ENVS><KEY>AWS_SECRET_ACCESS_KEY</KEY><VAL>canary</VAL></ENVS>
    <HARDWARE><NAME>db01</NAME><UUID>4C4C4544-0042-3510-8052-B4C04F4E3301</UUID><MEMORY>1024</MEMORY><VMSYSTEM>Physical</VMSYSTEM></HARDWARE>
    <NETWORKS><DESCRIPTION>eth0</DESCRIPTION><MACADDR>04:7B:CB:00:00:01</MACADDR><IPADDRESS>10.0.0.1</IPADDRESS><IPMASK>255.255.255.0</IPMASK><STATUS>Up</STATUS><TYPE>ethernet</TYPE></NETWORKS>
    <NETWORKS><DESCRIPTION>eth0</DESCRIPTION><MACADDR>04:7B:CB:00:00:01</MACADDR><IPADDRESS6>fe80::1</IPADDRESS6><IPMASK6>fff0::</IPMASK6><TYPE>ethernet</TYPE></NETWORKS>
    <OPERATINGSYSTEM><FULL_NAME>Debian GNU/Linux 12 (bookworm)</FULL_NAME><VERSION>12.11</VERSION><ARCH>x86_64</ARCH><TIMEZONE><NAME>Europe/Berlin</NAME></TIMEZONE></OPERATINGSYSTEM>
    <PROCESSES><CMD>app --password canary</CMD></PROCESSES>
    <SOFTWARES><NAME>libc6 &amp; &#x3c;more&gt;</NAME><VERSION>2.36</VERSION><FROM>deb</FROM></SOFTWARES>
    <VERSIONCLIENT>FusionInventory-Agent_v2.6</VERSIONCLIENT>
  </CONTENT>
  <DEVICEID>db01-2026-01-01-00-00-00</DEVICEID>
  <QUERY>INVENTORY</QUERY>
</REQUEST>"#;

const JSON: &str = r#"{"action":"inventory","deviceid":"db01-2026-01-01-00-00-00","itemtype":"Computer","content":{
    "versionclient":"FusionInventory-Agent_v2.6",
    "bios":{"smanufacturer":"Dell Inc.","smodel":"R740","ssn":"ABC1234"},
    "cpus":[{"name":"Xeon","core":8,"thread":16},{"name":"Xeon","core":8,"thread":16}],
    "envs":[{"key":"AWS_SECRET_ACCESS_KEY","val":"canary"}],
    "hardware":{"name":"db01","uuid":"4C4C4544-0042-3510-8052-B4C04F4E3301","memory":1024,"vmsystem":"Physical"},
    "networks":[{"description":"eth0","mac":"04:7B:CB:00:00:01","ipaddress":"10.0.0.1","ipmask":"255.255.255.0","status":"up","type":"ethernet"},
                {"description":"eth0","mac":"04:7B:CB:00:00:01","ipaddress6":"fe80::1","ipmask6":"fff0::","type":"ethernet"}],
    "operatingsystem":{"full_name":"Debian GNU/Linux 12 (bookworm)","version":"12.11","arch":"x86_64","timezone":{"name":"Europe/Berlin","offset":"+0100"}},
    "processes":[{"cmd":"app --password canary"}],
    "softwares":[{"name":"libc6 & <more>","version":"2.36","from":"deb"}]}}"#;

#[test]
fn xml_and_json_say_the_same() {
    let (xml, json) = (inventory(XML), inventory(JSON));
    let at = Timestamp::from_millis(5);
    let [xml_document, json_document] = [&xml, &json].map(|inventory| format!("{:#?}", sections::document(inventory, at)));
    assert_eq!(xml_document, json_document);
    assert_eq!(
        (xml.device.as_str(), xml.partial, xml.program.as_deref()),
        ("db01-2026-01-01-00-00-00", false, Some("FusionInventory-Agent_v2.6"))
    );
    assert!(!xml_document.contains("canary"), "{xml_document}");

    let document = sections::document(&xml, at);
    let identity = document.identity.unwrap().data.unwrap();
    assert_eq!((identity.hostname.as_str(), identity.serial.as_deref()), ("db01", Some("ABC1234")));
    assert_eq!(identity.smbios_uuid.as_deref(), Some("4c4c4544-0042-3510-8052-b4c04f4e3301"));
    assert_eq!(identity.permanent_macs, ["04:7b:cb:00:00:01"]);
    let cpu = document.cpu.unwrap().data.unwrap();
    assert_eq!((cpu.sockets.len(), cpu.cores, cpu.threads), (2, Some(16), Some(32)));
    assert_eq!(document.memory.unwrap().data.unwrap().total_bytes, Some(1 << 30));
    let network = document.network.unwrap().data.unwrap();
    let addresses: Vec<_> = network.interfaces[0].addresses.iter().map(|it| format!("{}/{}", it.address, it.prefix_length)).collect();
    assert_eq!((network.interfaces.len(), addresses.join(" ").as_str()), (1, "10.0.0.1/24 fe80::1/64"));
    assert_eq!(document.packages.unwrap().data.unwrap().packages[0].name, "libc6 & <more>");
    let system = document.operating_system.unwrap().data.unwrap();
    assert_eq!((system.id.as_deref(), system.timezone.as_deref()), (Some("debian"), Some("Europe/Berlin")));
}

#[test]
fn bodies_are_known_by_their_first_bytes() {
    let prolog = "<REQUEST><DEVICEID>a</DEVICEID><QUERY>PROLOG</QUERY></REQUEST>";
    let contact = r#"{"action":"contact","deviceid":"a"}"#;
    for (body, format, message) in [
        (prolog.as_bytes().to_vec(), Format::Xml { compressed: false }, Message::Prolog),
        (zlib(prolog), Format::Xml { compressed: true }, Message::Prolog),
        (contact.as_bytes().to_vec(), Format::Json, Message::Contact),
        (zlib(contact), Format::Json, Message::Contact),
        (Vec::new(), Format::Json, Message::Other),
        (zlib("<REQUEST><QUERY>SNMP</QUERY></REQUEST>"), Format::Xml { compressed: true }, Message::Other),
    ] {
        let sent = message::read(&body).ok().expect("readable");
        assert_eq!((sent.format, sent.message), (format, message));
    }
}

#[test]
fn hostile_bodies_are_refused_with_the_place() {
    let bomb = zlib(&" ".repeat(15 << 20));
    let billion = r#"<!DOCTYPE a [<!ENTITY b "c">]><REQUEST><DEVICEID>&b;</DEVICEID></REQUEST>"#;
    let outside = "<REQUEST><DEVICEID>&xxe;</DEVICEID></REQUEST>";
    let deep = format!("{}{}", "<a>".repeat(1_000), "</a>".repeat(1_000));
    let long = format!("<REQUEST><CONTENT><SOFTWARES><NAME>{}</NAME></SOFTWARES></CONTENT></REQUEST>", "x".repeat(100_000));
    let many = format!("<REQUEST><CONTENT>{}</CONTENT></REQUEST>", "<SOFTWARES><NAME>x</NAME></SOFTWARES>".repeat(60_000));
    let damaged = zlib(XML)[..400].to_vec();
    for (what, body, status) in [
        ("bomb", bomb, 413),
        ("document type", billion.into(), 400),
        ("entity", outside.into(), 400),
        ("deep", deep.into(), 413),
        ("long text", long.into(), 413),
        ("many items", many.into(), 413),
        ("damaged", damaged, 400),
        ("truncated", XML[..XML.len() / 2].into(), 400),
        ("not closed", b"<REQUEST><QUERY>PROLOG</REQUEST>".to_vec(), 400),
        ("no device", b"<REQUEST><QUERY>INVENTORY</QUERY></REQUEST>".to_vec(), 422),
        ("no device in JSON", br#"{"action":"inventory","content":{}}"#.to_vec(), 422),
        ("no content", br#"{"deviceid":"a"}"#.to_vec(), 422),
        ("no inventory", b"hello".to_vec(), 400),
    ] {
        let Err(refused) = message::read(&body) else { panic!("{what} was taken") };
        assert_eq!(refused.problem.status, status, "{what}: {:?}", refused.problem);
        assert!(!refused.problem.detail.is_empty());
    }
}

#[test]
fn a_partial_inventory_is_no_whole_one() {
    let partial = JSON.replacen("\"content\"", "\"partial\":true,\"content\"", 1);
    let document = sections::document(&inventory(&partial), Timestamp::default());
    assert!(!document.packages.unwrap().status.is_authoritative());
}
