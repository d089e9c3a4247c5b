//! Parsers. Each takes bytes, opens nothing, and answers damaged input with less, never with a panic.

pub mod accounts;
pub mod ata;
pub mod certificate;
pub mod cgroup;
pub mod cloud;
pub mod command_line;
pub mod cpuinfo;
pub mod cups;
pub mod device_mapper;
pub mod dpkg;
pub mod edid;
pub mod guests;
pub mod hardware_ids;
<<<<<<< HEAD
pub mod input_devices;
=======
pub mod inet_diag;
>>>>>>> f9e0061 (Agent: short connections, other network namespaces, and who holds what without reading it again)
pub mod kernel;
pub mod key_value;
pub mod lldp;
pub mod login_records;
pub mod lvm_backup;
pub mod mountinfo;
pub mod netlink;
pub mod oui;
pub mod package_databases;
pub mod proc_net;
pub mod process_stat;
pub mod proxies;
pub mod routes;
pub mod smartd;
pub mod smbios;
pub mod sound_cards;
pub mod text;
pub mod udev;
pub mod unit_file;
