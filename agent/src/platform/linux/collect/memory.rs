//! Memory and its modules.

use rollcall_shared::wire::v1::{Memory, MemoryModule};

use super::{Machine, Outcome};
use crate::{files::Root, parse::key_value};

const EDAC: &str = "/sys/devices/system/edac/mc";
const BLOCKS: &str = "/sys/devices/system/memory";
const MOST_MODULES: usize = 4_096;

pub(super) fn collect(machine: &Machine<'_>) -> Outcome<Memory> {
    let root = machine.root;
    let bytes = match root.read("/proc/meminfo") {
        Ok(bytes) => bytes,
        Err(error) => return Outcome::failed("/proc/meminfo", &error),
    };
    let smbios = machine.smbios();
    let mut modules = smbios.map(|smbios| smbios.modules.clone()).unwrap_or_default();
    let mut modules_from = (!modules.is_empty()).then_some("smbios");
    if modules.is_empty() {
        modules = edac_modules(root);
        modules_from = (!modules.is_empty()).then_some("edac");
    }
    let of_modules = modules.iter().fold(0_u64, |sum, module| sum.saturating_add(module.size_bytes));
    Outcome::Data(Memory {
        total_bytes: key_value::meminfo(&bytes, "MemTotal"),
        swap_total_bytes: key_value::meminfo(&bytes, "SwapTotal"),
        slots: smbios.map(|smbios| smbios.slots),
        installed_bytes: if of_modules > 0 { Some(of_modules) } else { managed_by_the_kernel(root) },
        maximum_bytes: smbios.and_then(|smbios| smbios.maximum_memory_bytes),
        error_correction: smbios.and_then(|smbios| smbios.error_correction).map(str::to_owned),
        modules_from: modules_from.map(str::to_owned),
        modules,
    })
}

/// The kernel manages memory in blocks of one size, each a directory; those that are offline are built in all the same.
fn managed_by_the_kernel(root: &Root) -> Option<u64> {
    let size = u64::from_str_radix(&root.text(&format!("{BLOCKS}/block_size_bytes"))?, 16).ok()?;
    let is_block = |name: &&String| name.strip_prefix("memory").is_some_and(|number| number.parse::<u64>().is_ok());
    let blocks = root.names(BLOCKS).ok()?.iter().filter(is_block).count();
    u64::try_from(blocks).ok()?.checked_mul(size).filter(|&bytes| bytes > 0)
}

/// The modules that the driver of the memory controller knows.
fn edac_modules(root: &Root) -> Vec<MemoryModule> {
    const MIB: u64 = 1 << 20;
    let mut modules = Vec::new();
    let controllers = root.names(EDAC).unwrap_or_default();
    for controller in controllers.iter().filter(|name| name.starts_with("mc")) {
        let names = root.names(&format!("{EDAC}/{controller}")).unwrap_or_default();
        for name in names.iter().filter(|name| name.starts_with("dimm") || name.starts_with("rank")) {
            let text = |file: &str| root.text(&format!("{EDAC}/{controller}/{name}/{file}"));
            let size = text("size").and_then(|size| size.parse::<u64>().ok()?.checked_mul(MIB)).filter(|&size| size > 0);
            let Some(size_bytes) = size else { continue };
            if modules.len() == MOST_MODULES {
                return modules;
            }
            modules.push(MemoryModule {
                locator: text("dimm_label").or_else(|| Some(format!("{controller}/{name}"))),
                size_bytes,
                kind: text("dimm_mem_type").filter(|kind| kind != "Unknown").map(|kind| kind.trim_start_matches("Unbuffered-").to_owned()),
                ..MemoryModule::default()
            });
        }
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::{super::tests::collect_one, *};

    #[test]
    fn without_smbios_the_kernel_tells() {
        let files = [
            ("/proc/meminfo", "MemTotal: 1000 kB\nSwapTotal: 10 kB\n"),
            ("/sys/devices/system/memory/block_size_bytes", "8000000\n"),
            ("/sys/devices/system/memory/memory0/state", "online\n"),
            ("/sys/devices/system/memory/memory1/state", "online\n"),
            ("/sys/devices/system/memory/power/control", "auto\n"),
        ];
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!((found.total_bytes, found.installed_bytes, found.modules_from.as_deref()), (Some(1_024_000), Some(256 << 20), None));
        let at = "/sys/devices/system/edac/mc/mc0";
        let edac = [
            (format!("{at}/dimm0/size"), "16384\n"),
            (format!("{at}/dimm0/dimm_label"), "CPU_SrcID#0_MC#0_Chan#0_DIMM#0\n"),
            (format!("{at}/dimm0/dimm_mem_type"), "Unbuffered-DDR4\n"),
            (format!("{at}/dimm1/size"), "0\n"),
        ];
        let mut files = files.to_vec();
        files.extend(edac.iter().map(|(path, content)| (path.as_str(), *content)));
        let Outcome::Data(found) = collect_one(&files, collect) else { panic!("no data") };
        assert_eq!((found.installed_bytes, found.modules_from.as_deref(), found.modules.len()), (Some(16 << 30), Some("edac"), 1));
        assert_eq!(found.modules[0].kind.as_deref(), Some("DDR4"));
    }
}
