//! Giving memory back to the system after work that took much more than what stays.
//!
//! The one file with unsafe code: the C library's `malloc_trim` has no safe wrapper.
#![allow(unsafe_code)]

/// Gives back what was freed. Takes milliseconds: for the end of long work.
pub(crate) fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim takes a number, releases pages that hold no allocation, and is safe to call from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
