//! How much memory the allocator may keep to itself.

/// Bounds the heaps that glibc makes for threads. By default they are eight for each processor, and
/// what a thread freed in one is of no use to the others: a server whose exports are read, encoded
/// and sent by different threads would hold the most that each of them ever held. To be called
/// before there is a second thread; what the environment asks of glibc goes before.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "there is no safe way to ask glibc for it")]
pub(crate) fn bound() {
    if ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"].iter().any(|name| std::env::var_os(name).is_some()) {
        return;
    }
    let heaps = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    // SAFETY: sets a number under glibc's own lock. One that glibc refuses changes nothing.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, heaps.try_into().unwrap_or(libc::c_int::MAX)) };
}

/// Other allocators return what nobody uses.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn bound() {}
