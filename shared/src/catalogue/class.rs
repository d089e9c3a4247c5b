//! Classes of configuration items: a name, a parent, and the attributes that this class adds to its parent's.

use serde::{Deserialize, Serialize};

/// What an attribute's value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    /// Text.
    Text,
    /// A whole number, in the attribute's unit if it has one.
    Integer,
    /// A number, in the attribute's unit if it has one.
    Number,
    /// True or false.
    Boolean,
    /// An RFC 3339 instant.
    Instant,
    /// A day: `2026-03-01`.
    Date,
    /// An absolute URL.
    Url,
    /// One of the attribute's allowed texts.
    Choice,
    /// Another configuration item, by its id.
    Reference,
    /// A list of texts.
    TextList,
}

impl AttributeKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Text,
        Self::Integer,
        Self::Number,
        Self::Boolean,
        Self::Instant,
        Self::Date,
        Self::Url,
        Self::Choice,
        Self::Reference,
        Self::TextList,
    ];

    /// The name in data and API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Instant => "instant",
            Self::Date => "date",
            Self::Url => "url",
            Self::Choice => "choice",
            Self::Reference => "reference",
            Self::TextList => "text_list",
        }
    }

    /// The reverse of [`AttributeKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One attribute of a class.
#[derive(Clone, Copy, Debug)]
pub struct AttributeDefinition {
    /// Name in data and API.
    pub name: &'static str,
    /// Name for people.
    pub label: &'static str,
    /// What its value may be.
    pub kind: AttributeKind,
    /// The unit of a number; empty for a plain count and for what is no number.
    pub unit: &'static str,
    /// The texts that a choice is one of; empty for other kinds.
    pub allowed: &'static [&'static str],
    /// The class that a reference must be of; absent for other kinds.
    pub references: Option<&'static str>,
}

/// A class of configuration items that comes with Rollcall. What collectors work with is `rollcall_core::Catalogue`: these, and what
/// people have added.
#[derive(Clone, Copy, Debug)]
pub struct ClassDefinition {
    /// Name in data and API.
    pub name: &'static str,
    /// Name for people, singular.
    pub label: &'static str,
    /// Name for people, plural.
    pub plural: &'static str,
    /// The class it specialises; it has that one's attributes too.
    pub parent: Option<&'static str>,
    /// A short text that stands for it in pictures and lists.
    pub icon: &'static str,
    /// The attributes it adds.
    pub attributes: &'static [AttributeDefinition],
    /// What one of it is recognised by when people or imports write of it: sets of attributes; one whole set that is equal is enough.
    pub identity: &'static [&'static [&'static str]],
}

use AttributeKind::{Boolean, Choice, Date, Instant, Integer, Number, Reference, Text, TextList, Url};

const fn text(name: &'static str, label: &'static str) -> AttributeDefinition {
    of(name, label, Text)
}

const fn of(name: &'static str, label: &'static str, kind: AttributeKind) -> AttributeDefinition {
    AttributeDefinition { name, label, kind, unit: "", allowed: &[], references: None }
}

const fn measured(name: &'static str, label: &'static str, kind: AttributeKind, unit: &'static str) -> AttributeDefinition {
    AttributeDefinition { name, label, kind, unit, allowed: &[], references: None }
}

const fn choice(name: &'static str, label: &'static str, allowed: &'static [&'static str]) -> AttributeDefinition {
    AttributeDefinition { name, label, kind: Choice, unit: "", allowed, references: None }
}

const fn reference(name: &'static str, label: &'static str, class: &'static str) -> AttributeDefinition {
    AttributeDefinition { name, label, kind: Reference, unit: "", allowed: &[], references: Some(class) }
}

const EVERY: &[AttributeDefinition] = &[
    text("description", "Description"),
    text("owner", "Owner"),
    text("location", "Location"),
    text("criticality", "Criticality"),
    of("tags", "Tags", TextList),
    // Asked for by the transitions of its life, see `rollcall_core::lifecycle`.
    of("disposed_on", "Disposed of on", Date),
    text("disposal_reason", "Why disposed of"),
];

/// What is bought, stands somewhere and wears out.
const HARDWARE: &[AttributeDefinition] = &[
    text("manufacturer", "Manufacturer"),
    text("model", "Model"),
    text("serial", "Serial number"),
    text("asset_tag", "Asset tag"),
    of("purchase_date", "Bought on", Date),
    of("warranty_until", "Warranty until", Date),
    of("cost", "Cost", Number),
    text("currency", "Currency"),
    text("supplier", "Supplier"),
    text("order_number", "Order number"),
    reference("assigned_to", "Assigned to", "person"),
];

const MACHINE: &[AttributeDefinition] = &[
    text("hostname", "Host name"),
    text("fqdn", "Full host name"),
    text("smbios_uuid", "SMBIOS UUID"),
    text("machine_id", "Machine id"),
    text("cloud_instance_id", "Cloud instance id"),
    text("platform", "Platform"),
    text("operating_system", "Operating system"),
    text("operating_system_version", "Operating system version"),
    text("kernel", "Kernel"),
    text("architecture", "Architecture"),
    text("timezone", "Time zone"),
    of("booted_at", "Last start", Instant),
    text("firmware_version", "Firmware version"),
    text("cpu_model", "Processor"),
    of("cpu_sockets", "Processors", Integer),
    of("cpu_cores", "Cores", Integer),
    of("cpu_threads", "Threads", Integer),
    measured("memory_bytes", "Memory", Integer, "bytes"),
    measured("disk_bytes", "Disk capacity", Integer, "bytes"),
    of("ip_addresses", "IP addresses", TextList),
    of("mac_addresses", "MAC addresses", TextList),
    // Bridges that reach no wire (containers, local guests): an address in them means something else on every machine.
    of("internal_networks", "Networks inside the machine", TextList),
    // Networks with their gateways, by whose MAC addresses two sites with the same numbers are told apart.
    of("network_segments", "Networks and gateways", TextList),
    // When each address came and went: ADDRESS EARLIEST-BEGIN BEGIN END LATEST-END, "-" for open.
    of("address_history", "Addresses over time", TextList),
    // PROTOCOL ADDRESSES PORTS CALLERS INTERFACES ADDRESS PORT always|sometimes, "*" for any, "-" for what stays; the first that applies decides.
    of("port_forwards", "Connections passed on", TextList),
    // INTERFACE NETWORK, where a rule asks by which interface a call comes in.
    of("ways_in", "Networks behind interfaces", TextList),
    of("hides_callers", "Others call under its address", Boolean),
    of("package_count", "Installed packages", Integer),
    // Only another program's partial inventories are known: what is missing here may well be there.
    of("inventory_incomplete", "Inventory incomplete", Boolean),
];

const SERVICE: &[AttributeDefinition] = &[
    text("service_key", "Known by"),
    text("unit", "Unit"),
    text("executable", "Executable"),
    text("package", "Package"),
    text("version", "Version"),
    text("user", "Runs as"),
    text("daemon", "Daemon"),
    // Only said, and then false, of what is set up to run and does not.
    of("running", "Runs", Boolean),
    of("endpoints", "Listens on", TextList),
    // keepalived and the like: addresses that one of several machines holds at a time.
    of("virtual_addresses", "Addresses that move", TextList),
];

/// What others see of a device without an agent, and what it says of itself to everybody.
const UNMANAGED: &[AttributeDefinition] = &[
    of("ip_addresses", "IP addresses", TextList),
    of("network_segments", "Networks and gateways", TextList),
    of("mac_addresses", "MAC addresses", TextList),
    text("adapter_maker", "Maker of its network adapter"),
    text("announced_name", "Calls itself"),
    text("announced_model", "Says it is a"),
    text("announced_software", "Says it runs"),
    of("announced_services", "Offers", TextList),
];

const CERTIFICATE: &[AttributeDefinition] = &[
    of("valid_until", "Valid until", Instant),
    text("issuer", "Issued by"),
    text("fingerprint", "SHA-256 fingerprint"),
    of("names", "Names", TextList),
];

const NETWORK_DEVICE: &[AttributeDefinition] = &[
    of("ip_addresses", "IP addresses", TextList),
    of("mac_addresses", "MAC addresses", TextList),
    text("firmware_version", "Firmware version"),
    of("ports", "Ports", Integer),
    of("management_url", "Management address", Url),
];

const PHONE: &[AttributeDefinition] = &[
    text("imei", "IMEI"),
    text("phone_number", "Phone number"),
    text("carrier", "Carrier"),
    text("operating_system", "Operating system"),
    text("operating_system_version", "Operating system version"),
];

const STORAGE: &[AttributeDefinition] = &[
    measured("capacity_bytes", "Capacity", Integer, "bytes"),
    of("ip_addresses", "IP addresses", TextList),
    text("firmware_version", "Firmware version"),
    of("management_url", "Management address", Url),
];

const CLOUD_STORAGE: &[AttributeDefinition] = &[
    text("provider", "Provider"),
    text("region", "Region"),
    text("account", "Account"),
    text("bucket", "Bucket"),
    measured("capacity_bytes", "Capacity", Integer, "bytes"),
    of("encrypted", "Encrypted", Boolean),
];

const CLUSTER: &[AttributeDefinition] = &[
    text("technology", "Technology"),
    choice("cluster_mode", "Works as", &["active_active", "active_passive", "sharded", "other"]),
    of("virtual_addresses", "Addresses that move", TextList),
];

const WEB_APPLICATION: &[AttributeDefinition] = &[
    text("url", "Address"),
    text("technology", "Technology"),
    choice("environment", "Environment", ENVIRONMENTS),
    of("repository", "Repository", Url),
];

const MOBILE_APPLICATION: &[AttributeDefinition] = &[
    text("bundle_id", "Bundle id"),
    choice("mobile_platform", "Platform", &["android", "ios", "other"]),
    text("version", "Version"),
    of("store_url", "Store page", Url),
];

const SOFTWARE_PRODUCT: &[AttributeDefinition] = &[
    text("publisher", "Publisher"),
    text("version", "Version"),
    of("end_of_support", "Supported until", Date),
    of("homepage", "Home page", Url),
];

const LICENCE: &[AttributeDefinition] = &[
    of("valid_until", "Valid until", Instant),
    of("seats", "Seats", Integer),
    choice("licence_metric", "Counted by", &["user", "device", "processor", "core", "site", "subscription", "other"]),
    text("licence_number", "Licence number"),
    reference("product", "Product", "software_product"),
    of("purchase_date", "Bought on", Date),
    of("cost", "Cost", Number),
    text("currency", "Currency"),
    text("supplier", "Supplier"),
];

const CONTRACT: &[AttributeDefinition] = &[
    of("valid_until", "Valid until", Instant),
    text("contract_number", "Contract number"),
    text("supplier", "Supplier"),
    of("starts_on", "Starts on", Date),
    of("ends_on", "Ends on", Date),
    measured("notice_days", "Notice", Integer, "days"),
    choice("contract_kind", "Kind", &["support", "lease", "maintenance", "subscription", "insurance", "other"]),
    of("cost", "Cost", Number),
    text("currency", "Currency"),
];

const LOCATION: &[AttributeDefinition] = &[text("postal_address", "Postal address"), text("country", "Country")];

const RACK: &[AttributeDefinition] = &[measured("height_units", "Height", Integer, "U"), text("row", "Row")];

const ORGANIZATION: &[AttributeDefinition] = &[text("cost_center", "Cost centre"), of("homepage", "Home page", Url)];

const PERSON: &[AttributeDefinition] = &[
    text("email", "Email"),
    text("phone", "Phone"),
    text("employee_number", "Employee number"),
    text("department", "Department"),
    reference("manager", "Manager", "person"),
];

const ENVIRONMENTS: &[&str] = &["production", "staging", "test", "development"];

/// Ids of what an application begins with, and of what was left out of it.
const ASSEMBLED: &[AttributeDefinition] = &[of("assembled_from", "Assembled from", TextList), of("pruned", "Left out", TextList)];

const BUSINESS_SERVICE: &[AttributeDefinition] = &[
    text("service_level", "Service level"),
    choice("environment", "Environment", ENVIRONMENTS),
    of("assembled_from", "Assembled from", TextList),
    of("pruned", "Left out", TextList),
];

const NONE: &[AttributeDefinition] = &[];

const fn define(
    name: &'static str,
    label: &'static str,
    plural: &'static str,
    parent: &'static str,
    icon: &'static str,
    attributes: &'static [AttributeDefinition],
    identity: &'static [&'static [&'static str]],
) -> ClassDefinition {
    ClassDefinition { name, label, plural, parent: Some(parent), icon, attributes, identity }
}

/// Recognised by nothing but its external id.
const BY_NOTHING: &[&[&str]] = &[];
/// What hardware is recognised by.
const BY_SERIAL: &[&[&str]] = &[&["serial", "manufacturer"], &["asset_tag"]];

/// Every class that comes with Rollcall; a parent stands before its children.
pub const CLASSES: &[ClassDefinition] = &[
    ClassDefinition {
        name: "item",
        label: "Configuration item",
        plural: "Configuration items",
        parent: None,
        icon: "item",
        attributes: EVERY,
        identity: BY_NOTHING,
    },
    define("hardware", "Hardware", "Hardware", "item", "hardware", HARDWARE, BY_SERIAL),
    define("machine", "Machine", "Machines", "hardware", "machine", MACHINE, BY_SERIAL),
    define("laptop", "Notebook", "Notebooks", "machine", "laptop", NONE, BY_SERIAL),
    define("desktop", "Desktop", "Desktops", "machine", "desktop", NONE, BY_SERIAL),
    define("server", "Server", "Servers", "machine", "server", NONE, BY_SERIAL),
    define("virtual_machine", "Virtual machine", "Virtual machines", "machine", "vm", NONE, BY_SERIAL),
    define("hypervisor", "Hypervisor", "Hypervisors", "machine", "hypervisor", NONE, BY_SERIAL),
    define("container", "Container", "Containers", "machine", "container", NONE, BY_NOTHING),
    define("unmanaged_host", "Unmanaged host", "Unmanaged hosts", "item", "unknown", UNMANAGED, BY_NOTHING),
    define("network_device", "Network device", "Network devices", "hardware", "network", NETWORK_DEVICE, BY_SERIAL),
    define("load_balancer", "Load balancer", "Load balancers", "network_device", "balancer", NONE, BY_SERIAL),
    define("printer", "Printer", "Printers", "network_device", "printer", NONE, BY_SERIAL),
    define("phone", "Phone", "Phones", "hardware", "phone", PHONE, &[&["imei"], &["serial", "manufacturer"], &["asset_tag"]]),
    define("storage", "Storage", "Storage systems", "hardware", "storage", STORAGE, BY_SERIAL),
    define("cloud_storage", "Cloud storage", "Cloud storage", "item", "cloud", CLOUD_STORAGE, &[&["provider", "account", "bucket"]]),
    define("cluster", "Cluster", "Clusters", "item", "cluster", CLUSTER, BY_NOTHING),
    define("service_instance", "Service instance", "Service instances", "item", "service", SERVICE, BY_NOTHING),
    define("database", "Database", "Databases", "service_instance", "database", NONE, BY_NOTHING),
    define("web_server", "Web server", "Web servers", "service_instance", "web", NONE, BY_NOTHING),
    define("web_application", "Web application", "Web applications", "item", "web", WEB_APPLICATION, &[&["url"]]),
    define(
        "mobile_application",
        "Mobile application",
        "Mobile applications",
        "item",
        "app",
        MOBILE_APPLICATION,
        &[&["bundle_id", "mobile_platform"]],
    ),
    define("business_service", "Business service", "Business services", "item", "business", BUSINESS_SERVICE, BY_NOTHING),
    define("application_service", "Application service", "Application services", "item", "application", ASSEMBLED, BY_NOTHING),
    define("software_product", "Software product", "Software products", "item", "software", SOFTWARE_PRODUCT, BY_NOTHING),
    define("licence", "Licence", "Licences", "item", "licence", LICENCE, &[&["licence_number"]]),
    define("certificate", "Certificate", "Certificates", "item", "certificate", CERTIFICATE, &[&["fingerprint"]]),
    define("contract", "Contract", "Contracts", "item", "contract", CONTRACT, &[&["supplier", "contract_number"]]),
    define("location", "Location", "Locations", "item", "location", LOCATION, BY_NOTHING),
    define("site", "Site", "Sites", "location", "site", NONE, BY_NOTHING),
    define("rack", "Rack", "Racks", "location", "rack", RACK, BY_NOTHING),
    define("power_source", "Power source", "Power sources", "hardware", "power", NONE, BY_SERIAL),
    define("organization", "Organization", "Organizations", "item", "organization", ORGANIZATION, BY_NOTHING),
    define("team", "Team", "Teams", "organization", "team", &[text("email", "Email")], BY_NOTHING),
    define("person", "Person", "People", "item", "person", PERSON, &[&["email"], &["employee_number"]]),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn names_are_unique_and_parents_come_first() {
        let mut known = BTreeSet::new();
        for class in CLASSES {
            assert!(class.parent.is_none_or(|parent| known.contains(parent)), "{}", class.name);
            assert!(known.insert(class.name), "{}", class.name);
        }
    }

    #[test]
    fn an_attribute_means_the_same_in_every_class() {
        let mut known = BTreeMap::new();
        for attribute in CLASSES.iter().flat_map(|class| class.attributes) {
            let kind = (attribute.kind, attribute.unit, attribute.references);
            assert_eq!(*known.entry(attribute.name).or_insert(kind), kind, "{}", attribute.name);
            assert_eq!(attribute.kind == Choice, !attribute.allowed.is_empty(), "{}", attribute.name);
        }
    }

    #[test]
    fn identities_are_attributes_of_the_class_or_what_it_specialises() {
        let by_name: BTreeMap<_, _> = CLASSES.iter().map(|class| (class.name, class)).collect();
        for class in CLASSES {
            let lineage = std::iter::successors(Some(class), |class| class.parent.and_then(|parent| by_name.get(parent).copied()));
            let names: BTreeSet<_> = lineage.flat_map(|class| class.attributes).map(|attribute| attribute.name).collect();
            assert!(class.identity.iter().flat_map(|set| set.iter()).all(|name| names.contains(name)), "{}", class.name);
        }
    }
}
