//! Giving memory back to the system after work, so that an agent at rest is small.
//!
//! The one file with unsafe code: the C library's `mallopt` and `malloc_trim` have no safe wrapper. An inventory needs some
//! MiB for a few milliseconds; without these calls the allocator keeps them (and another arena for the thread that collected)
//! for the many minutes until the next one.
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

/// Gives free memory back to the system.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: malloc_trim takes a number, releases pages that hold no allocation, and is safe to call from any thread.
        unsafe {
            libc::malloc_trim(0);
        }
    }
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
