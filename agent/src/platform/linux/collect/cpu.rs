//! Processors.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_shared::wire::v1::{Cpu, CpuCache, CpuSocket};

use super::{Machine, Outcome};
use crate::{
    files::Root,
    parse::{
        cpuinfo::{self, CpuInfo},
        text::number_list,
    },
};

const PROCESSORS: &str = "/sys/devices/system/cpu";
/// More than Linux can be built for.
const MOST_PROCESSORS: usize = 8_192;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Cpu> {
    let root = machine.root;
    // A block of some 1,500 bytes for each thread.
    const MOST: u64 = 16 << 20;
    let mut running = match root.read_up_to("/proc/cpuinfo", MOST) {
        Ok(bytes) => cpuinfo::cpuinfo(&bytes),
        Err(error) => return Outcome::failed("/proc/cpuinfo", &error),
    };
    if running.packages.values().any(|package| package.cores.is_none()) {
        topology(root, &mut running);
    }
    let threads: u32 = running.packages.values().map(|package| package.threads).sum();
    let cores: Option<Vec<u32>> = running.packages.values().map(|package| package.cores).collect();
    let cores: Option<u32> = cores.map(|cores| cores.iter().sum());
    let smbios = machine.smbios();
    let described = smbios.map(|smbios| smbios.cpus.clone()).unwrap_or_default();
    // SMBIOS and kernel number packages in the same order; where they count differently, the kernel is right.
    let sockets = if described.len() == running.packages.len() { described } else { Vec::new() };
    let mut caches = caches(root);
    if caches.is_empty() {
        caches = smbios.map(|smbios| smbios.caches.clone()).unwrap_or_default();
        caches.sort_by(|a, b| (a.level, &a.kind).cmp(&(b.level, &b.kind)));
    }
    Outcome::Data(Cpu {
        sockets: merged(sockets, &running, max_mhz(machine)),
        cores,
        threads: Some(threads),
        // Where cores differ in how many threads they have there is no one number.
        threads_per_core: cores.filter(|&cores| cores > 0 && threads.is_multiple_of(cores)).map(|cores| threads / cores),
        numa_nodes: numa_nodes(root),
        virtualization: running.virtualization,
        under_hypervisor: running.hypervisor,
        address_bits: running.address_bits,
        caches,
    })
}

fn merged(described: Vec<CpuSocket>, running: &CpuInfo, max_mhz: Option<u32>) -> Vec<CpuSocket> {
    let mut described = described.into_iter();
    running
        .packages
        .values()
        .map(|package| {
            let socket = described.next().unwrap_or_default();
            CpuSocket {
                manufacturer: manufacturer(package.vendor.as_deref()).or(socket.manufacturer),
                model: package.model.clone().or(socket.model),
                cores: package.cores.or(socket.cores),
                threads: Some(package.threads),
                max_mhz: max_mhz.or(socket.max_mhz),
                family: package.family,
                model_number: package.model_number,
                stepping: package.stepping,
                microcode: package.microcode.clone(),
                designation: socket.designation,
                serial: socket.serial,
                part_number: socket.part_number,
                asset_tag: socket.asset_tag,
                socket_kind: socket.socket_kind,
            }
        })
        .collect()
}

fn manufacturer(vendor: Option<&str>) -> Option<String> {
    let name = match vendor? {
        "GenuineIntel" => "Intel",
        "AuthenticAMD" => "AMD",
        "HygonGenuine" => "Hygon",
        "IBM/S390" => "IBM",
        other => other,
    };
    Some(name.to_owned())
}

fn max_mhz(machine: &Machine<'_>) -> Option<u32> {
    machine.root.number::<u32>("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").map(|khz| khz / 1_000)
}

/// Packages and cores as sysfs numbers them, where `/proc/cpuinfo` does not (ARM, POWER, RISC-V).
fn topology(root: &Root, running: &mut CpuInfo) {
    let mut cores: BTreeMap<u32, (BTreeSet<u32>, u32)> = BTreeMap::new();
    for processor in numbered(root, PROCESSORS, "cpu") {
        let number = |file: &str| root.number::<i64>(&format!("{PROCESSORS}/cpu{processor}/topology/{file}"));
        let Some(core) = number("core_id").and_then(|core| u32::try_from(core).ok()) else { continue };
        // A virtual machine's firmware may tell of no packages: -1.
        let package = number("physical_package_id").and_then(|package| u32::try_from(package).ok()).unwrap_or(0);
        let (cores, threads) = cores.entry(package).or_default();
        cores.insert(core);
        *threads += 1;
    }
    let counted: u32 = cores.values().map(|(_, threads)| threads).sum();
    let all: u32 = running.packages.values().map(|package| package.threads).sum();
    let [(_, one)] = &mut running.packages.iter_mut().collect::<Vec<_>>()[..] else { return };
    // Both must speak of the same processors.
    if counted != all || cores.is_empty() {
        return;
    }
    let one = std::mem::take(*one);
    running.packages = cores
        .into_iter()
        .map(|(number, (cores, threads))| {
            let package = cpuinfo::Package {
                vendor: one.vendor.clone(),
                model: one.model.clone(),
                microcode: one.microcode.clone(),
                cores: u32::try_from(cores.len()).ok(),
                threads,
                ..one
            };
            (number, package)
        })
        .collect();
}

/// Each cache once, though every processor that shares it lists it.
fn caches(root: &Root) -> Vec<CpuCache> {
    let mut covered: BTreeSet<(String, u32)> = BTreeSet::new();
    let mut counts: BTreeMap<(u32, String, u64, Option<u32>), u32> = BTreeMap::new();
    let mut indexes: Option<Vec<String>> = None;
    for processor in numbered(root, PROCESSORS, "cpu") {
        let at = format!("{PROCESSORS}/cpu{processor}/cache");
        // All processors list the same kinds of caches.
        let indexes = indexes.get_or_insert_with(|| {
            let names = root.names(&at).unwrap_or_default();
            names.into_iter().filter(|name| name.starts_with("index")).collect()
        });
        for index in indexes.iter().filter(|index| !covered.contains(&((*index).clone(), processor))).cloned().collect::<Vec<_>>() {
            let text = |file: &str| root.text(&format!("{at}/{index}/{file}"));
            let Some(level) = text("level").and_then(|level| level.parse().ok()) else { continue };
            let Some(size) = text("size").and_then(|size| size.strip_suffix('K')?.parse::<u64>().ok()?.checked_mul(1_024)) else {
                continue;
            };
            let Some(kind) = text("type") else { continue };
            covered.extend(number_list(text("shared_cpu_list").unwrap_or_default().as_bytes()).into_iter().map(|cpu| (index.clone(), cpu)));
            let ways = root.number::<u32>(&format!("{at}/{index}/ways_of_associativity")).filter(|&ways| ways > 0);
            *counts.entry((level, kind.to_ascii_lowercase(), size, ways)).or_default() += 1;
        }
    }
    let cache = |((level, kind, size_bytes, ways), count)| CpuCache { level, kind, size_bytes, ways, count: Some(count) };
    counts.into_iter().map(cache).collect()
}

fn numa_nodes(root: &Root) -> Option<u32> {
    u32::try_from(numbered(root, "/sys/devices/system/node", "node").len()).ok().filter(|&nodes| nodes > 0)
}

/// The numbers in names such as `cpu0`, in order.
fn numbered(root: &Root, directory: &str, prefix: &str) -> Vec<u32> {
    let names = root.names(directory).unwrap_or_default();
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| name.strip_prefix(prefix)?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.truncate(MOST_PROCESSORS);
    numbers
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn this_machines_shape_is_read() {
        let block = |number: u32| {
            format!("processor\t: {number}\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\nphysical id\t: 0\ncore id\t: {number}\n\n")
        };
        let text = [block(0), block(1)].concat();
        let mut files = vec![("/proc/cpuinfo".to_owned(), text.as_str()), ("/sys/devices/system/node/node0/cpulist".to_owned(), "0-1\n")];
        for cpu in ["0", "1"] {
            for (index, level, kind, size, shared) in [
                ("0", "1\n", "Data\n", "32K\n", cpu),
                ("1", "1\n", "Instruction\n", "32K\n", cpu),
                ("3", "3\n", "Unified\n", "32768K\n", "0-1\n"),
            ] {
                let at = format!("/sys/devices/system/cpu/cpu{cpu}/cache/index{index}");
                let content =
                    [("level", level), ("type", kind), ("size", size), ("shared_cpu_list", shared), ("ways_of_associativity", "8\n")];
                files.extend(content.map(|(file, content)| (format!("{at}/{file}"), content)));
            }
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(path, content)| (path.as_str(), *content)).collect();
        let Outcome::Data(cpu) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!((cpu.sockets.len(), cpu.cores, cpu.threads, cpu.threads_per_core), (1, Some(2), Some(2), Some(1)));
        assert_eq!(cpu.sockets[0].manufacturer.as_deref(), Some("AMD"));
        assert_eq!(cpu.numa_nodes, Some(1));
        let caches: Vec<_> = cpu.caches.iter().map(|cache| (cache.level, cache.kind.as_str(), cache.size_bytes, cache.count)).collect();
        assert_eq!(caches, [(1, "data", 32 << 10, Some(2)), (1, "instruction", 32 << 10, Some(2)), (3, "unified", 32 << 20, Some(1))]);
    }

    #[test]
    fn where_cpuinfo_tells_no_packages_sysfs_does() {
        let mut files =
            vec![("/proc/cpuinfo".to_owned(), "processor : 0\n\nprocessor : 1\n\nprocessor : 2\n\nprocessor : 3\n\n".to_owned())];
        for cpu in 0..4 {
            let at = format!("/sys/devices/system/cpu/cpu{cpu}/topology");
            files.push((format!("{at}/physical_package_id"), format!("{}\n", cpu / 2)));
            files.push((format!("{at}/core_id"), format!("{}\n", cpu % 2)));
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
        let Outcome::Data(cpu) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!((cpu.sockets.len(), cpu.cores, cpu.threads), (2, Some(4), Some(4)));
    }
}
