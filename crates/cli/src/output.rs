//! Standard output. Whoever reads it may leave when it has enough (`auditlake status | head`):
//! then a write fails, the command ends with that error, and `main` takes it for done.

use std::fmt;
use std::io::{self, Write};

/// Prints a line, and does not keep it back: scripts wait for some of them.
pub(crate) fn line(text: impl fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// [`line()`] of what `format!` would make.
macro_rules! say {
    ($($piece:tt)*) => {
        $crate::output::line(::std::format_args!($($piece)*))
    };
}

pub(crate) use say;
