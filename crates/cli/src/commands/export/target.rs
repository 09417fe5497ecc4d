//! Where an export goes. A file gets its name only when it is complete and synced: one that
//! bears its name is never short.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// A file on its way to its name, or standard output.
pub(crate) struct Target {
    output: Box<dyn Write + Send>,
    /// The staged file, and the name it is to get.
    staged: Option<(PathBuf, PathBuf)>,
}

impl Target {
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self { output: Box::new(io::stdout()), staged: None });
        };
        let mut staged = path.as_os_str().to_owned();
        staged.push(".partial");
        let staged = PathBuf::from(staged);
        let file = File::create(&staged).with_context(|| format!("{}", staged.display()))?;
        let output = Box::new(file);
        Ok(Self { output, staged: Some((staged, path.to_owned())) })
    }

    /// Gives the file its name.
    pub(crate) fn publish(mut self) -> anyhow::Result<()> {
        self.output.flush()?;
        if let Some((staged, path)) = self.staged.take() {
            File::open(&staged)?.sync_all()?;
            std::fs::rename(&staged, &path).with_context(|| format!("{}", path.display()))?;
        }
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // Not published: half an export is worth less than none.
        if let Some((staged, _)) = &self.staged {
            let _ = std::fs::remove_file(staged);
        }
    }
}
