//! `/proc/cpuinfo`.

use std::collections::{BTreeMap, BTreeSet};

use super::text::{clean, lines, number};

/// What `/proc/cpuinfo` says about one physical package.
#[derive(Debug, Default, PartialEq)]
pub struct Package {
    /// Vendor as the processor names itself: `AuthenticAMD`.
    pub vendor: Option<String>,
    /// Model name.
    pub model: Option<String>,
    /// Physical cores seen.
    pub cores: Option<u32>,
    /// Hardware threads seen.
    pub threads: u32,
}

/// The physical packages by number, and whether the processor says that it runs under a hypervisor.
#[derive(Debug, Default, PartialEq)]
pub struct CpuInfo {
    /// The packages.
    pub packages: BTreeMap<u32, Package>,
    /// The `hypervisor` flag, which x86 guests see.
    pub hypervisor: bool,
}

/// Reads the file's blocks, one a hardware thread. Where no package number is given (most of ARM), all threads count to
/// package 0 and cores are not known.
pub fn cpuinfo(bytes: &[u8]) -> CpuInfo {
    let mut found = CpuInfo::default();
    let mut cores: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut block = Block::default();
    for line in lines(bytes).chain([b"".as_slice()]) {
        let Some(colon) = memchr::memchr(b':', line) else {
            block.finish(&mut found, &mut cores);
            block = Block::default();
            continue;
        };
        let value = &line[colon + 1..];
        match line[..colon].trim_ascii() {
            b"processor" => block.is_thread = number::<u32>(value).is_some(),
            b"physical id" => block.package = number(value),
            b"core id" => block.core = number(value),
            b"vendor_id" => block.vendor = clean(value),
            b"model name" => block.model = clean(value),
            b"flags" => found.hypervisor |= super::text::fields(value).any(|flag| flag == b"hypervisor"),
            _ => {}
        }
    }
    for (package, cores) in cores {
        if let Some(package) = found.packages.get_mut(&package) {
            package.cores = u32::try_from(cores.len()).ok();
        }
    }
    found
}

#[derive(Default)]
struct Block {
    is_thread: bool,
    package: Option<u32>,
    core: Option<u32>,
    vendor: Option<String>,
    model: Option<String>,
}

impl Block {
    fn finish(&mut self, found: &mut CpuInfo, cores: &mut BTreeMap<u32, BTreeSet<u32>>) {
        if !self.is_thread {
            return;
        }
        let number = self.package.unwrap_or(0);
        let package = found.packages.entry(number).or_default();
        package.threads += 1;
        package.vendor = package.vendor.take().or(self.vendor.take());
        package.model = package.model.take().or(self.model.take());
        if let Some(core) = self.core {
            cores.entry(number).or_default().insert(core);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_one_core_count_once() {
        let block = |processor: u32, package: u32, core: u32| {
            format!(
                "processor\t: {processor}\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon: fast\nphysical id\t: {package}\ncore id\t: {core}\nflags\t: fpu hypervisor\n\n"
            )
        };
        let found = cpuinfo([block(0, 0, 0), block(1, 0, 0), block(2, 1, 0), block(3, 1, 1)].concat().as_bytes());
        assert!(found.hypervisor);
        let counts: Vec<_> = found.packages.values().map(|package| (package.cores, package.threads)).collect();
        assert_eq!(counts, [(Some(1), 2), (Some(2), 2)]);
        assert_eq!(found.packages[&0].model.as_deref(), Some("Xeon: fast"));
    }

    #[test]
    fn arm_tells_no_packages() {
        let found = cpuinfo(b"processor\t: 0\nBogoMIPS\t: 50.00\n\nprocessor\t: 1\n\nHardware\t: x\n");
        assert_eq!(found.packages[&0], Package { threads: 2, ..Package::default() });
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            cpuinfo(&bytes);
        }
    }
}
