//! Named places where a test makes the process die or a write fail. Without the feature
//! `failpoints` each is an empty function.

/// Dies or fails here when the environment's `FAILPOINTS` say so: `return(kill)`,
/// `return(eio)` or `return(enospc)`.
#[cfg(feature = "failpoints")]
pub(crate) fn hit(name: &str) -> std::io::Result<()> {
    fail::fail_point!(name, |action| match action.as_deref() {
        Some("eio") => Err(std::io::Error::from_raw_os_error(5)),
        Some("enospc") => Err(std::io::Error::from_raw_os_error(28)),
        _ => {
            // SIGKILL cannot be caught: nothing runs after it, no buffer is flushed.
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
            std::thread::park();
            Ok(())
        }
    });
    Ok(())
}

#[cfg(not(feature = "failpoints"))]
#[inline]
#[allow(clippy::unnecessary_wraps)] // The same signature as with the feature.
pub(crate) fn hit(_name: &str) -> std::io::Result<()> {
    Ok(())
}
