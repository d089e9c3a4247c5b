//! `/proc/cpuinfo`.

use std::collections::{BTreeMap, BTreeSet};

use super::text::{clean, fields, lines, number};

/// What `/proc/cpuinfo` says about one physical package.
#[derive(Debug, Default, PartialEq)]
pub struct Package {
    /// Vendor as the processor names itself: `AuthenticAMD`.
    pub vendor: Option<String>,
    /// Model name.
    pub model: Option<String>,
    /// Family number.
    pub family: Option<u32>,
    /// Model number.
    pub model_number: Option<u32>,
    /// Stepping.
    pub stepping: Option<u32>,
    /// Revision of the microcode.
    pub microcode: Option<String>,
    /// Physical cores seen.
    pub cores: Option<u32>,
    /// Hardware threads seen.
    pub threads: u32,
}

/// What `/proc/cpuinfo` says.
#[derive(Debug, Default, PartialEq)]
pub struct CpuInfo {
    /// The physical packages by number.
    pub packages: BTreeMap<u32, Package>,
    /// Whether the processor tells that it runs under a hypervisor: x86 guests see a flag; `None` elsewhere.
    pub hypervisor: Option<bool>,
    /// What lets it run virtual machines: `vmx`, `svm`.
    pub virtualization: Option<String>,
    /// Bits of physical and virtual addresses: `48/48`.
    pub address_bits: Option<String>,
    /// What the board calls itself, after the processors: single-board computers, POWER.
    pub machine: Option<String>,
    /// The board's serial number: single-board computers.
    pub serial: Option<String>,
}

/// Reads the file's blocks, one a hardware thread, and what follows them about the board. Where no package number is given
/// (most of ARM, POWER), all threads count to package 0 and cores are not known.
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
        let key = line[..colon].trim_ascii();
        match key {
            b"processor" => block.is_thread = number::<u32>(value).is_some(),
            b"physical id" => block.package = number(value),
            b"core id" => block.core = number(value),
            b"vendor_id" => block.vendor = clean(value),
            b"CPU implementer" => block.implementer = hexadecimal(value),
            b"CPU part" => block.part = hexadecimal(value),
            // x86 and RISC-V; POWER.
            b"model name" | b"cpu" => block.model = clean(value),
            b"uarch" if block.model.is_none() => block.model = clean(value),
            b"cpu family" => block.family = number(value),
            b"model" if block.model_number.is_none() => block.model_number = number(value),
            b"stepping" | b"CPU revision" => block.stepping = number(value),
            b"microcode" => block.microcode = clean(value),
            b"address sizes" if found.address_bits.is_none() => found.address_bits = address_bits(value),
            b"flags" if found.hypervisor.is_none() => {
                let has = |flag: &[u8]| fields(value).any(|found| found == flag);
                found.hypervisor = Some(has(b"hypervisor"));
                found.virtualization =
                    [("vmx", has(b"vmx")), ("svm", has(b"svm"))].into_iter().find_map(|(name, has)| has.then(|| name.to_owned()));
            }
            // Only after the processors: before, "model" is a number and "machine" does not occur.
            b"Model" | b"machine" if !block.is_thread => found.machine = clean(value),
            b"Serial" if !block.is_thread => found.serial = clean(value).filter(|serial| serial.bytes().any(|byte| byte != b'0')),
            // Mainframes have one line a processor: "processor 0: version = FF,  identification = 0A1B2C,  machine = 3906"
            _ if key.starts_with(b"processor ") => {
                let mut thread = Block { is_thread: true, model: machine_type(value), vendor: block.vendor.take(), ..Block::default() };
                thread.finish(&mut found, &mut cores);
                block.vendor = thread.vendor;
            }
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

/// `48 bits physical, 48 bits virtual`
fn address_bits(value: &[u8]) -> Option<String> {
    let mut numbers = fields(value).filter_map(number::<u32>);
    Some(format!("{}/{}", numbers.next()?, numbers.next()?))
}

fn hexadecimal(value: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(value).ok()?.trim().strip_prefix("0x")?;
    u32::from_str_radix(digits, 16).ok()
}

fn machine_type(value: &[u8]) -> Option<String> {
    let at = memchr::memmem::find(value, b"machine = ")?;
    clean(value[at..].split(|&byte| byte == b'=').nth(1)?).map(|number| format!("IBM Z {number}"))
}

#[derive(Default)]
struct Block {
    is_thread: bool,
    package: Option<u32>,
    core: Option<u32>,
    vendor: Option<String>,
    model: Option<String>,
    implementer: Option<u32>,
    part: Option<u32>,
    family: Option<u32>,
    model_number: Option<u32>,
    stepping: Option<u32>,
    microcode: Option<String>,
}

impl Block {
    fn finish(&mut self, found: &mut CpuInfo, cores: &mut BTreeMap<u32, BTreeSet<u32>>) {
        if !self.is_thread {
            return;
        }
        if let Some(implementer) = self.implementer {
            self.vendor = self.vendor.take().or_else(|| arm_implementer(implementer).map(str::to_owned));
            self.model = self.model.take().or_else(|| arm_part(implementer, self.part?).map(str::to_owned));
        }
        let number = self.package.unwrap_or(0);
        let package = found.packages.entry(number).or_default();
        package.threads += 1;
        package.vendor = package.vendor.take().or(self.vendor.take());
        package.model = package.model.take().or(self.model.take());
        package.family = package.family.or(self.family);
        package.model_number = package.model_number.or(self.model_number);
        package.stepping = package.stepping.or(self.stepping);
        package.microcode = package.microcode.take().or(self.microcode.take());
        if let Some(core) = self.core {
            cores.entry(number).or_default().insert(core);
        }
    }
}

fn arm_implementer(code: u32) -> Option<&'static str> {
    Some(match code {
        0x41 => "ARM",
        0x42 => "Broadcom",
        0x43 => "Cavium",
        0x46 => "Fujitsu",
        0x48 => "HiSilicon",
        0x4e => "NVIDIA",
        0x50 => "Ampere (APM)",
        0x51 => "Qualcomm",
        0x53 => "Samsung",
        0x56 => "Marvell",
        0x61 => "Apple",
        0x6d => "Microsoft",
        0xc0 => "Ampere",
        _ => return None,
    })
}

fn arm_part(implementer: u32, part: u32) -> Option<&'static str> {
    Some(match (implementer, part) {
        (0x41, 0xb76) => "ARM1176",
        (0x41, 0xc07) => "Cortex-A7",
        (0x41, 0xc08) => "Cortex-A8",
        (0x41, 0xc09) => "Cortex-A9",
        (0x41, 0xc0f) => "Cortex-A15",
        (0x41, 0xd03) => "Cortex-A53",
        (0x41, 0xd04) => "Cortex-A35",
        (0x41, 0xd05) => "Cortex-A55",
        (0x41, 0xd07) => "Cortex-A57",
        (0x41, 0xd08) => "Cortex-A72",
        (0x41, 0xd09) => "Cortex-A73",
        (0x41, 0xd0a) => "Cortex-A75",
        (0x41, 0xd0b) => "Cortex-A76",
        (0x41, 0xd0c) => "Neoverse-N1",
        (0x41, 0xd0d) => "Cortex-A77",
        (0x41, 0xd40) => "Neoverse-V1",
        (0x41, 0xd41) => "Cortex-A78",
        (0x41, 0xd44) => "Cortex-X1",
        (0x41, 0xd49) => "Neoverse-N2",
        (0x41, 0xd4f) => "Neoverse-V2",
        (0x41, 0xd84) => "Neoverse-V3",
        (0x41, 0xd8e) => "Neoverse-N3",
        (0x43, 0x0af) => "ThunderX2",
        (0x46, 0x001) => "A64FX",
        (0x48, 0xd01) => "Kunpeng 920",
        (0xc0, 0xac3) => "Ampere-1",
        (0xc0, 0xac4) => "Ampere-1a",
        _ => return None,
    })
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
        assert_eq!(found.hypervisor, Some(true));
        let counts: Vec<_> = found.packages.values().map(|package| (package.cores, package.threads)).collect();
        assert_eq!(counts, [(Some(1), 2), (Some(2), 2)]);
        assert_eq!(found.packages[&0].model.as_deref(), Some("Xeon: fast"));
    }

    #[test]
    fn arm_tells_no_packages() {
        let found = cpuinfo(b"processor\t: 0\nBogoMIPS\t: 50.00\n\nprocessor\t: 1\n\nHardware\t: x\n");
        assert_eq!(found.packages[&0], Package { threads: 2, ..Package::default() });
        assert_eq!(found.hypervisor, None);
    }

    #[test]
    fn revisions_and_abilities_are_read() {
        let found = cpuinfo(
            b"processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\nstepping\t: 1\n\
              microcode\t: 0x1000065\nphysical id\t: 0\ncore id\t\t: 0\nflags\t\t: fpu svm\naddress sizes\t: 48 bits physical, 57 bits virtual\n\n",
        );
        let package = &found.packages[&0];
        assert_eq!((package.family, package.model_number, package.stepping), (Some(25), Some(17), Some(1)));
        assert_eq!((package.microcode.as_deref(), found.address_bits.as_deref()), (Some("0x1000065"), Some("48/57")));
        assert_eq!((found.virtualization.as_deref(), found.hypervisor), (Some("svm"), Some(false)));
    }

    #[test]
    fn other_architectures_are_told() {
        let arm = cpuinfo(
            b"processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd08\nCPU revision\t: 3\n\n\
              Hardware\t: BCM2835\nRevision\t: c03111\nSerial\t\t: 10000000e0a1b2c3\nModel\t\t: Raspberry Pi 4 Model B Rev 1.1\n",
        );
        let package = &arm.packages[&0];
        assert_eq!((package.vendor.as_deref(), package.model.as_deref(), package.stepping), (Some("ARM"), Some("Cortex-A72"), Some(3)));
        assert_eq!(arm.machine.as_deref(), Some("Raspberry Pi 4 Model B Rev 1.1"));
        assert_eq!(arm.serial.as_deref(), Some("10000000e0a1b2c3"));
        let power = cpuinfo(b"processor\t: 0\ncpu\t\t: POWER9 (architected), altivec supported\nclock\t\t: 2400.0MHz\n\nplatform\t: pSeries\nmachine\t\t: CHRP IBM,9009-42A\n");
        assert_eq!(power.packages[&0].model.as_deref(), Some("POWER9 (architected), altivec supported"));
        assert_eq!(power.machine.as_deref(), Some("CHRP IBM,9009-42A"));
        let z = cpuinfo(b"vendor_id       : IBM/S390\n# processors    : 2\nprocessor 0: version = FF,  identification = 0A1B2C,  machine = 3906\nprocessor 1: version = FF,  identification = 0A1B2C,  machine = 3906\n");
        assert_eq!((z.packages[&0].threads, z.packages[&0].vendor.as_deref()), (2, Some("IBM/S390")));
        assert_eq!(z.packages[&0].model.as_deref(), Some("IBM Z 3906"));
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(bytes: Vec<u8>) {
            cpuinfo(&bytes);
        }
    }
}
