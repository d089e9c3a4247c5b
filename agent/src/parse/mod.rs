//! Parsers. Each takes bytes, opens nothing, and answers damaged input with less, never with a panic.

pub mod accounts;
pub mod certificate;
pub mod cgroup;
pub mod cloud;
pub mod command_line;
pub mod cpuinfo;
pub mod device_mapper;
pub mod dpkg;
pub mod edid;
pub mod guests;
pub mod hardware_ids;
pub mod kernel;
pub mod key_value;
pub mod lldp;
pub mod login_records;
pub mod mountinfo;
pub mod netlink;
pub mod oui;
pub mod package_databases;
pub mod process_stat;
pub mod proxies;
pub mod routes;
pub mod smbios;
pub mod text;
pub mod unit_file;
