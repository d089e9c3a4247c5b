//! Processors.

use rollcall_shared::wire::v1::{Cpu, CpuSocket};

use super::{Machine, Outcome};
use crate::parse::cpuinfo::{self, CpuInfo};

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Cpu> {
    let running = match machine.root.read("/proc/cpuinfo") {
        Ok(bytes) => cpuinfo::cpuinfo(&bytes),
        Err(error) => return Outcome::failed("/proc/cpuinfo", &error),
    };
    let threads = running.packages.values().map(|package| package.threads).sum();
    let cores: Option<Vec<u32>> = running.packages.values().map(|package| package.cores).collect();
    let described = machine.smbios().map(|smbios| smbios.cpus.clone()).unwrap_or_default();
    // SMBIOS and kernel number packages in the same order; where they count differently, the kernel is right.
    let sockets = if described.len() == running.packages.len() { described } else { Vec::new() };
    Outcome::Data(Cpu {
        sockets: merged(sockets, &running, max_mhz(machine)),
        cores: cores.map(|cores| cores.iter().sum()),
        threads: Some(threads),
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
                designation: socket.designation,
            }
        })
        .collect()
}

fn manufacturer(vendor: Option<&str>) -> Option<String> {
    let name = match vendor? {
        "GenuineIntel" => "Intel",
        "AuthenticAMD" => "AMD",
        "HygonGenuine" => "Hygon",
        other => other,
    };
    Some(name.to_owned())
}

fn max_mhz(machine: &Machine<'_>) -> Option<u32> {
    machine.root.number::<u32>("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq").map(|khz| khz / 1_000)
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
        let Outcome::Data(cpu) = collect_one(&[("/proc/cpuinfo", &text)], collect) else { panic!("no data") };
        assert_eq!((cpu.sockets.len(), cpu.cores, cpu.threads), (1, Some(2), Some(2)));
        assert_eq!(cpu.sockets[0].manufacturer.as_deref(), Some("AMD"));
    }
}
