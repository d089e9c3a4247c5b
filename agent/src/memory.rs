//! Giving memory back to the system after work, so that an agent at rest is small.
//!
//! The one file with unsafe code: the C library's `mallopt`, `malloc_trim` and `madvise` have no safe wrapper. An inventory needs some
//! MiB for a few milliseconds; without these calls the allocator keeps them (and another arena for the thread that collected)
//! for the many minutes until the next one, and the program's own code and tables stay mapped though nothing runs.
#![allow(unsafe_code)]

/// Sets the allocator up for a small process: one arena, and free memory at the top goes back early. Called once, before any
/// other thread is started.
pub fn keep_small() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const TRIM_BEYOND: libc::c_int = 128 << 10;
        const MAP_BEYOND: libc::c_int = 64 << 10;
        // SAFETY: mallopt takes two numbers and touches only the allocator's own settings, under its lock.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 1);
            libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_BEYOND);
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAP_BEYOND);
        }
    }
}

/// Gives free memory back to the system, and the pages of the program that are nothing but a copy of its file.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        static FILES: std::sync::OnceLock<Vec<Mapping>> = std::sync::OnceLock::new();
        // SAFETY: malloc_trim takes a number, releases pages that hold no allocation, and is safe to call from any thread.
        unsafe {
            libc::malloc_trim(0);
        }
        let files = FILES.get_or_init(|| clean_file_mappings(&std::fs::read("/proc/self/smaps").unwrap_or_default()));
        for mapping in files {
            // SAFETY: the range is a whole mapping of this process that is never written and has no page of its own, so the kernel reads
            // every page that is wanted again from the file that it came from. Mappings of the program and its libraries stay where they
            // are for as long as the process lives.
            unsafe {
                libc::madvise(mapping.start as *mut libc::c_void, mapping.end - mapping.start, libc::MADV_DONTNEED);
            }
        }
    }
}

/// A range of addresses.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mapping {
    start: usize,
    end: usize,
}

/// Mappings of plain files that may not be written and of which no page differs from the file. A library's relocated tables
/// (RELRO) may not be written either, but their pages are the process's own: dropped, they would come back without relocation.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn clean_file_mappings(smaps: &[u8]) -> Vec<Mapping> {
    let mut found = Vec::new();
    let mut candidate: Option<Mapping> = None;
    for line in String::from_utf8_lossy(smaps).lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            // `55d0c0a0d000-55d0c0a2f000 r-xp 00001000 fe:00 1234 /usr/bin/rollcall-agent`
            [range, mode, _, _, inode, path] if mode.len() == 4 => {
                let is_file =
                    inode != "0" && path.starts_with('/') && mode.starts_with('r') && mode.as_bytes()[1] == b'-' && mode.ends_with('p');
                let bounds = range.split_once('-').and_then(|(start, end)| {
                    Some(Mapping { start: usize::from_str_radix(start, 16).ok()?, end: usize::from_str_radix(end, 16).ok()? })
                });
                candidate = bounds.filter(|mapping| is_file && mapping.start < mapping.end);
            }
            // The last counter that decides; a mapping without it is left alone.
            ["Anonymous:", pages, "kB"] => found.extend(candidate.take().filter(|_| pages == "0")),
            [range, mode, ..] if range.contains('-') && mode.len() == 4 => candidate = None,
            _ => {}
        }
    }
    found
}

/// What this process holds in memory now, bytes; `None` where the system does not tell.
pub fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn only_what_comes_back_from_its_file_is_given_back() {
        let smaps = b"\
1000-2000 r-xp 00000000 fe:00 11 /usr/bin/agent\nRss: 4 kB\nAnonymous: 0 kB\nVmFlags: rd ex\n\
2000-3000 r--p 00000000 fe:00 11 /usr/bin/agent\nRss: 4 kB\nAnonymous: 4 kB\n\
3000-4000 rw-p 00000000 fe:00 11 /usr/bin/agent\nAnonymous: 0 kB\n\
4000-5000 r--s 00000000 fe:00 12 /usr/share/shared\nAnonymous: 0 kB\n\
5000-6000 rw-p 00000000 00:00 0 [heap]\nAnonymous: 0 kB\n\
6000-7000 r--p 00000000 00:00 0 \nAnonymous: 0 kB\n\
7000-8000 r-xp 00000000 00:00 0 [vdso]\nAnonymous: 0 kB\n\
8000-9000 r--p 00000000 fe:00 11 /usr/bin/a b\nAnonymous: 0 kB\n\
9000-a000 r--p 00000000 fe:00 11 /usr/lib/libc.so.6\nAnonymous: 0 kB\n";
        let found: Vec<_> = clean_file_mappings(smaps).iter().map(|mapping| mapping.start).collect();
        assert_eq!(found, [0x1000, 0x9000]);
        assert!(!clean_file_mappings(&std::fs::read("/proc/self/smaps").unwrap()).is_empty());
    }

    #[test]
    fn memory_goes_up_and_comes_back() {
        keep_small();
        let most = 32 << 20;
        let before = resident().unwrap();
        // Many small pieces: one large one would be given back by itself.
        let pieces: Vec<Vec<u8>> = (0..most / 1_024).map(|_| vec![1; 1_024]).collect();
        let during = resident().unwrap();
        assert!(during >= before + most / 2, "{before} {during}");
        drop(pieces);
        give_back();
        let after = resident().unwrap();
        assert!(after + most / 2 <= during, "{during} {after}");
    }
}
