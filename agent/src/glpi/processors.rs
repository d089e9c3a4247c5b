//! `cpus` and `memories`.

use rollcall_shared::wire::v1::{Cpu, Memory, OperatingSystem};
use serde_json::{Value, json};

use super::{Source, mebibytes};

pub(super) fn cpus(source: &Source<'_>) -> Option<Value> {
    let cpu: Cpu = source.get()?;
    let architecture = source.get::<OperatingSystem>().and_then(|system| system.architecture);
    let sockets = cpu.sockets.into_iter().map(|socket| {
        // Threads of one core; that format's word is the same as ours for all of them.
        let threads = socket.threads.zip(socket.cores).filter(|(_, cores)| *cores > 0).map(|(threads, cores)| threads / cores);
        json!({
            "arch": architecture.as_deref().and_then(arch),
            "core": socket.cores,
            "manufacturer": socket.manufacturer.as_deref().map(manufacturer),
            "name": socket.model,
            "speed": socket.max_mhz,
            "thread": threads.filter(|threads| *threads > 0),
        })
    });
    Some(sockets.collect())
}

pub(super) fn memories(source: &Source<'_>) -> Option<Value> {
    let memory: Memory = source.get()?;
    let modules = memory.modules.into_iter().zip(1_u32..).map(|(module, number)| {
        json!({
            "capacity": mebibytes(module.size_bytes),
            "caption": module.locator,
            "manufacturer": module.manufacturer,
            "model": module.part_number,
            "numslots": number,
            "serialnumber": module.serial,
            "speed": module.speed_mts.map(|speed| format!("{speed} MT/s")),
            "type": module.kind,
        })
    });
    Some(modules.collect())
}

/// The architectures that the format lists; another one has no word there.
fn arch(architecture: &str) -> Option<&str> {
    match architecture {
        "i386" | "i486" | "i586" | "i686" => Some("i386"),
        "ppc" => Some("powerpc"),
        "ppc64" | "ppc64le" => Some("powerpc64"),
        "mips" | "mips64" | "alpha" | "sparc" | "sparc64" | "m68k" | "x86_64" | "powerpc" | "powerpc64" | "aarch64" => Some(architecture),
        arm if arm.starts_with("arm") => Some(arm),
        _ => None,
    }
}

fn manufacturer(name: &str) -> &str {
    match name {
        "GenuineIntel" => "Intel",
        "AuthenticAMD" => "AMD",
        other => other,
    }
}
