//! Machines as they are: what nobody but the generator knows.

use rollcall_shared::{AgentId, CiId, Timestamp};

use crate::dice::Dice;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Laptop,
    Desktop,
    Server,
    /// Assembled: fillers where the maker's ids should be.
    WhiteBox,
    /// Of a series that all have one UUID and one serial number that is no known filler.
    SeriesBox,
    /// Guests by the ids that their hypervisor gives.
    Kvm,
    Vmware,
    HyperV,
    XenPv,
    Cloud,
    /// Reads the ids of its host.
    Container,
}

impl Kind {
    pub(crate) fn is_guest(self) -> bool {
        matches!(self, Self::Kvm | Self::Vmware | Self::HyperV | Self::XenPv | Self::Cloud)
    }
}

/// Who knows the machine, by what.
#[derive(Clone, Debug, Default)]
pub(crate) struct KnownBy {
    pub(crate) agent: Option<(AgentId, Timestamp)>,
    pub(crate) program: Option<String>,
    pub(crate) register: Option<String>,
    pub(crate) client: Option<(String, CiId)>,
    pub(crate) person: Option<CiId>,
}

#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) number: usize,
    pub(crate) kind: Kind,
    pub(crate) hostname: String,
    pub(crate) has_domain: bool,
    pub(crate) machine_id: String,
    pub(crate) uuid: Option<String>,
    pub(crate) serial: Option<String>,
    /// What is written on the case; only people and registers know it.
    pub(crate) sticker: String,
    /// An adapter that it had when it was bought.
    pub(crate) first_mac: String,
    pub(crate) maker: &'static str,
    pub(crate) model: String,
    pub(crate) macs: Vec<String>,
    pub(crate) cloud_id: Option<String>,
    /// Its agent or program may not read SMBIOS.
    pub(crate) agent_blind: bool,
    pub(crate) program_blind: bool,
    pub(crate) program_swaps_uuid: bool,
    pub(crate) is_on: bool,
    pub(crate) docked_at: Option<usize>,
    /// Machines with which it shares ids, for who is alive when.
    pub(crate) relatives: Vec<usize>,
    pub(crate) known_by: KnownBy,
    /// What is to be true of its sources.
    pub(crate) has_agent: bool,
    pub(crate) has_program: bool,
    pub(crate) in_register: bool,
    pub(crate) has_client: bool,
    pub(crate) has_entry: bool,
}

const LAPTOPS: &[(&str, &str)] = &[
    ("LENOVO", "20XW004DGE"),
    ("LENOVO", "21CB00A9GE"),
    ("Dell Inc.", "Latitude 7420"),
    ("Dell Inc.", "XPS 13 9310"),
    ("HP", "HP EliteBook 840 G8 Notebook PC"),
    ("FUJITSU", "LIFEBOOK U7511"),
];
const DESKTOPS: &[(&str, &str)] =
    &[("Dell Inc.", "OptiPlex 7090"), ("HP", "HP ProDesk 600 G6"), ("LENOVO", "11DT003CGE"), ("Acer", "Veriton X4670G")];
const SERVERS: &[(&str, &str)] = &[
    ("Dell Inc.", "PowerEdge R650"),
    ("HPE", "ProLiant DL380 Gen10"),
    ("Hewlett-Packard", "ProLiant DL360 G7"),
    ("Supermicro", "SYS-1029P"),
];
/// What stands where an id should be.
pub(crate) const FILLERS: &[&str] = &[
    "To be filled by O.E.M.",
    "Default string",
    "System Serial Number",
    "None",
    "Not Specified",
    "0123456789",
    "00000000",
    "xxxxxxxx",
    "N/A",
    "",
];
pub(crate) const FILLER_UUIDS: &[&str] = &[
    "03000200-0400-0500-0006-000700080009",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "12345678-1234-5678-90ab-cddeefaabbcc",
];
/// Makers' prefixes of adapters on boards.
const ON_BOARD: &[&str] = &["04:7b:cb", "3c:52:82", "f8:b1:56", "54:bf:64", "e4:b9:7a", "a4:bb:6d"];

pub(crate) fn on_board(dice: &mut Dice) -> String {
    let prefix = *dice.pick(ON_BOARD);
    mac(dice, prefix)
}

pub(crate) fn mac(dice: &mut Dice, prefix: &str) -> String {
    let rest = dice.hex(6);
    format!("{prefix}:{}:{}:{}", &rest[0..2], &rest[2..4], &rest[4..6])
}

/// Two adapters of a dock; makers of docks have prefixes of their own, or not.
pub(crate) fn dock(dice: &mut Dice) -> [String; 2] {
    let prefix = if dice.percent(70.0) { *dice.pick(&["00:50:b6", "8c:ae:4c", "a0:ce:c8"]) } else { *dice.pick(ON_BOARD) };
    [mac(dice, prefix), mac(dice, prefix)]
}

fn kind(dice: &mut Dice) -> Kind {
    const SHARES: &[(Kind, usize)] = &[
        (Kind::Laptop, 430),
        (Kind::Desktop, 190),
        (Kind::Server, 80),
        (Kind::WhiteBox, 45),
        (Kind::SeriesBox, 15),
        (Kind::Kvm, 80),
        (Kind::Vmware, 80),
        (Kind::HyperV, 25),
        (Kind::XenPv, 2),
        (Kind::Cloud, 40),
        (Kind::Container, 13),
    ];
    let mut at = dice.under(SHARES.iter().map(|(_, share)| share).sum());
    for (kind, share) in SHARES {
        if at < *share {
            return *kind;
        }
        at -= share;
    }
    Kind::Laptop
}

impl Machine {
    pub(crate) fn new(dice: &mut Dice, number: usize) -> Self {
        let kind = kind(dice);
        let (maker, model) = match kind {
            Kind::Laptop => *dice.pick(LAPTOPS),
            Kind::Desktop => *dice.pick(DESKTOPS),
            Kind::Server | Kind::Container => *dice.pick(SERVERS),
            Kind::WhiteBox => {
                *dice.pick(&[("System manufacturer", "System Product Name"), ("Gigabyte Technology Co., Ltd.", "B450M DS3H")])
            }
            Kind::SeriesBox => ("AZW", "Gemini M"),
            Kind::Kvm => ("QEMU", "Standard PC (Q35 + ICH9, 2009)"),
            Kind::Vmware => ("VMware, Inc.", "VMware7,1"),
            Kind::HyperV => ("Microsoft Corporation", "Virtual Machine"),
            Kind::XenPv => ("", ""),
            Kind::Cloud => ("Amazon EC2", "m5.large"),
        };
        let hostname = match kind {
            Kind::Laptop => format!("nb-{}", dice.capitals(6).to_lowercase()),
            Kind::Desktop | Kind::WhiteBox | Kind::SeriesBox => format!("pc{number:05}"),
            // Nobody gave these a name.
            _ if dice.percent(1.0) => (*dice.pick(&["localhost", "debian", "ubuntu"])).to_owned(),
            _ => format!("{}{:02}-{number}", dice.pick(&["web", "db", "app", "mail", "file", "ci"]), dice.under(40)),
        };
        let mut machine = Self {
            number,
            kind,
            hostname,
            has_domain: dice.percent(85.0),
            machine_id: dice.hex(32),
            uuid: None,
            serial: None,
            sticker: dice.capitals(9),
            first_mac: String::new(),
            maker,
            model: model.to_owned(),
            macs: Vec::new(),
            cloud_id: None,
            agent_blind: dice.percent(0.3),
            program_blind: dice.percent(0.3),
            program_swaps_uuid: dice.percent(10.0),
            is_on: true,
            docked_at: None,
            relatives: Vec::new(),
            known_by: KnownBy::default(),
            has_agent: dice.percent(if kind == Kind::Container { 100.0 } else { 80.0 }),
            has_program: dice.percent(if kind.is_guest() { 40.0 } else { 60.0 }),
            in_register: !kind.is_guest() && kind != Kind::Container && dice.percent(70.0),
            has_client: dice.percent(match kind {
                Kind::Laptop => 30.0,
                Kind::Kvm | Kind::Vmware => 50.0,
                Kind::Cloud => 90.0,
                _ => 0.0,
            }),
            has_entry: !kind.is_guest() && kind != Kind::Container && dice.percent(8.0),
        };
        machine.new_board(dice);
        if kind != Kind::WhiteBox && kind != Kind::SeriesBox {
            machine.sticker = machine.serial.clone().unwrap_or_else(|| machine.sticker.clone());
        }
        machine.first_mac = machine.macs.first().cloned().unwrap_or_default();
        if !(machine.has_agent || machine.has_program || machine.in_register) {
            machine.has_agent = true;
        }
        machine
    }

    /// Ids and adapters that come with a board, or with a guest's definition.
    pub(crate) fn new_board(&mut self, dice: &mut Dice) {
        let given = |dice: &mut Dice| (Some(dice.uuid()), Some(dice.capitals(8)));
        (self.uuid, self.serial) = match self.kind {
            Kind::Laptop | Kind::Desktop | Kind::Server | Kind::Container => given(dice),
            Kind::WhiteBox => {
                let uuid = if dice.percent(50.0) { (*dice.pick(FILLER_UUIDS)).to_owned() } else { dice.uuid() };
                (Some(uuid), Some((*dice.pick(FILLERS)).to_owned()))
            }
            Kind::SeriesBox => (Some("9b1d7a30-5c11-4a9c-8f0e-20191105a001".into()), Some("GM20191105".into())),
            Kind::Kvm => (Some(dice.uuid()), dice.percent(30.0).then(|| "Not Specified".to_owned())),
            Kind::Vmware => {
                let uuid = dice.uuid();
                let serial = uuid.replace('-', "").as_bytes().chunks(2).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ");
                (Some(uuid), Some(format!("VMware-{serial}")))
            }
            Kind::HyperV => (Some(dice.uuid()), Some(format!("{}-{}-{}", dice.under(9999), dice.under(9999), dice.under(99_999_999)))),
            Kind::XenPv => (None, None),
            Kind::Cloud => {
                self.cloud_id = Some(format!("aws:i-0{}", dice.hex(16)));
                let uuid = dice.uuid();
                (Some(uuid.clone()), Some(uuid))
            }
        };
        self.new_adapters(dice);
    }

    pub(crate) fn new_adapters(&mut self, dice: &mut Dice) {
        let count = match self.kind {
            Kind::Laptop => 1 + usize::from(dice.percent(60.0)),
            Kind::Server => 2 + dice.under(3),
            Kind::WhiteBox | Kind::SeriesBox => 1 + usize::from(dice.percent(30.0)),
            _ => 1,
        };
        self.macs = (0..count).map(|_| self.adapter(dice)).collect();
    }

    pub(crate) fn adapter(&self, dice: &mut Dice) -> String {
        match self.kind {
            Kind::Kvm => mac(dice, "52:54:00"),
            Kind::Vmware => mac(dice, "00:50:56"),
            Kind::HyperV => mac(dice, "00:15:5d"),
            Kind::XenPv | Kind::Container => mac(dice, "00:16:3e"),
            Kind::Cloud => mac(dice, "06:3a:9f"),
            _ => on_board(dice),
        }
    }

    pub(crate) fn full_name(&self) -> Option<String> {
        self.has_domain.then(|| format!("{}.corp.example.net", self.hostname))
    }
}
