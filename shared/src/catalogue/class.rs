//! Classes of configuration items: a name, a parent, and the attributes that this class adds to its parent's.

/// What an attribute's value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeKind {
    /// Text.
    Text,
    /// A whole number in this unit (`""` for a plain count).
    Integer(&'static str),
    /// True or false.
    Boolean,
    /// An RFC 3339 instant.
    Instant,
    /// A list of texts.
    TextList,
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
}

/// A class of configuration items.
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
    /// The attributes it adds.
    pub attributes: &'static [AttributeDefinition],
}

use AttributeKind::{Boolean, Instant, Integer, Text, TextList};

const fn text(name: &'static str, label: &'static str) -> AttributeDefinition {
    AttributeDefinition { name, label, kind: Text }
}

const fn of(name: &'static str, label: &'static str, kind: AttributeKind) -> AttributeDefinition {
    AttributeDefinition { name, label, kind }
}

const EVERY: &[AttributeDefinition] = &[
    text("description", "Description"),
    text("owner", "Owner"),
    text("location", "Location"),
    text("criticality", "Criticality"),
    of("tags", "Tags", TextList),
];

const MACHINE: &[AttributeDefinition] = &[
    text("hostname", "Host name"),
    text("fqdn", "Full host name"),
    text("manufacturer", "Manufacturer"),
    text("model", "Model"),
    text("serial", "Serial number"),
    text("asset_tag", "Asset tag"),
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
    of("cpu_sockets", "Processors", Integer("")),
    of("cpu_cores", "Cores", Integer("")),
    of("cpu_threads", "Threads", Integer("")),
    of("memory_bytes", "Memory", Integer("bytes")),
    of("disk_bytes", "Disk capacity", Integer("bytes")),
    of("ip_addresses", "IP addresses", TextList),
    of("mac_addresses", "MAC addresses", TextList),
    // Bridges that reach no wire (containers, local guests): an address in them means something else on every machine.
    of("internal_networks", "Networks inside the machine", TextList),
    // Networks with their gateways, by whose MAC addresses two sites with the same numbers are told apart.
    of("network_segments", "Networks and gateways", TextList),
    // When each address came and went: ADDRESS EARLIEST-BEGIN BEGIN END LATEST-END, "-" for open.
    of("address_history", "Addresses over time", TextList),
    of("package_count", "Installed packages", Integer("")),
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

const CERTIFICATE: &[AttributeDefinition] = &[
    of("valid_until", "Valid until", Instant),
    text("issuer", "Issued by"),
    text("fingerprint", "SHA-256 fingerprint"),
    of("names", "Names", TextList),
];

/// Ids of what an application begins with, and of what was left out of it.
const ASSEMBLED: &[AttributeDefinition] = &[of("assembled_from", "Assembled from", TextList), of("pruned", "Left out", TextList)];

const BUSINESS_SERVICE: &[AttributeDefinition] =
    &[text("service_level", "Service level"), of("assembled_from", "Assembled from", TextList), of("pruned", "Left out", TextList)];

const NONE: &[AttributeDefinition] = &[];

const fn define(
    name: &'static str,
    label: &'static str,
    plural: &'static str,
    parent: &'static str,
    attributes: &'static [AttributeDefinition],
) -> ClassDefinition {
    ClassDefinition { name, label, plural, parent: Some(parent), attributes }
}

/// Every class that comes with Rollcall.
pub const CLASSES: &[ClassDefinition] = &[
    ClassDefinition { name: "item", label: "Configuration item", plural: "Configuration items", parent: None, attributes: EVERY },
    define("machine", "Machine", "Machines", "item", MACHINE),
    define("laptop", "Notebook", "Notebooks", "machine", NONE),
    define("desktop", "Desktop", "Desktops", "machine", NONE),
    define("server", "Server", "Servers", "machine", NONE),
    define("virtual_machine", "Virtual machine", "Virtual machines", "machine", NONE),
    define("hypervisor", "Hypervisor", "Hypervisors", "machine", NONE),
    define("container", "Container", "Containers", "machine", NONE),
    define(
        "unmanaged_host",
        "Unmanaged host",
        "Unmanaged hosts",
        "item",
        &[of("ip_addresses", "IP addresses", TextList), of("network_segments", "Networks and gateways", TextList)],
    ),
    define(
        "network_device",
        "Network device",
        "Network devices",
        "item",
        &[of("ip_addresses", "IP addresses", TextList), text("model", "Model"), text("serial", "Serial number")],
    ),
    define("load_balancer", "Load balancer", "Load balancers", "network_device", NONE),
    define("printer", "Printer", "Printers", "network_device", NONE),
    define("phone", "Phone", "Phones", "item", &[text("model", "Model"), text("serial", "Serial number")]),
    define("storage", "Storage", "Storage systems", "item", &[text("model", "Model"), text("serial", "Serial number")]),
    define("cloud_storage", "Cloud storage", "Cloud storage", "item", &[text("provider", "Provider"), text("region", "Region")]),
    define("cluster", "Cluster", "Clusters", "item", NONE),
    define("service_instance", "Service instance", "Service instances", "item", SERVICE),
    define("database", "Database", "Databases", "service_instance", NONE),
    define("web_server", "Web server", "Web servers", "service_instance", NONE),
    define("web_application", "Web application", "Web applications", "item", &[text("url", "Address")]),
    define("mobile_application", "Mobile application", "Mobile applications", "item", NONE),
    define("business_service", "Business service", "Business services", "item", BUSINESS_SERVICE),
    define("application_service", "Application service", "Application services", "item", ASSEMBLED),
    define("software_product", "Software product", "Software products", "item", &[text("publisher", "Publisher")]),
    define("licence", "Licence", "Licences", "item", &[of("valid_until", "Valid until", Instant)]),
    define("certificate", "Certificate", "Certificates", "item", CERTIFICATE),
    define("contract", "Contract", "Contracts", "item", &[of("valid_until", "Valid until", Instant)]),
    define("location", "Location", "Locations", "item", NONE),
    define("site", "Site", "Sites", "location", NONE),
    define("rack", "Rack", "Racks", "location", NONE),
    define("power_source", "Power source", "Power sources", "item", &[text("model", "Model"), text("serial", "Serial number")]),
    define("organization", "Organization", "Organizations", "item", NONE),
    define("team", "Team", "Teams", "organization", &[text("email", "Email")]),
    define("person", "Person", "People", "item", &[text("email", "Email"), text("phone", "Phone")]),
];

/// The class of that name.
pub fn class(name: &str) -> Option<&'static ClassDefinition> {
    CLASSES.iter().find(|class| class.name == name)
}

impl ClassDefinition {
    /// This class and those it specialises, nearest first.
    pub fn lineage(&self) -> impl Iterator<Item = &'static ClassDefinition> + use<> {
        std::iter::successors(class(self.name), |class| class.parent.and_then(self::class))
    }

    /// Whether this class is `ancestor` or specialises it.
    pub fn is_a(&self, ancestor: &str) -> bool {
        self.lineage().any(|class| class.name == ancestor)
    }

    /// The attribute of that name, its own or inherited.
    pub fn attribute(&self, name: &str) -> Option<&'static AttributeDefinition> {
        self.lineage().flat_map(|class| class.attributes).find(|attribute| attribute.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_class_has_a_unique_name_and_descends_from_item() {
        let names: BTreeSet<_> = CLASSES.iter().map(|class| class.name).collect();
        assert_eq!(names.len(), CLASSES.len());
        for class in CLASSES {
            assert!(class.is_a("item"), "{}", class.name);
        }
    }

    #[test]
    fn attributes_are_inherited() {
        assert_eq!(class("laptop").unwrap().attribute("memory_bytes").unwrap().kind, Integer("bytes"));
        assert!(class("person").unwrap().attribute("memory_bytes").is_none());
    }
}
