//! Disks that can be filled and cut off: a file system in memory, and one in a file behind a
//! loop device. Both need root and may be forbidden even then; whoever asks gets the reason.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::ioctl::{Opcode, Setter, ioctl, opcode};

/// How long the last file may take to be closed.
const CLOSING: Duration = Duration::from_secs(5);

/// A mounted file system; unmounted when this is dropped.
#[derive(Debug)]
pub struct Mounted {
    /// Where it is.
    pub folder: PathBuf,
    is_mounted: bool,
}

impl Mounted {
    /// Unmounts it; a file that is just being closed is waited for.
    pub fn unmount(mut self) {
        let started = Instant::now();
        while let Err(reason) = run(Command::new("umount").arg(&self.folder)) {
            assert!(started.elapsed() < CLOSING, "somebody still uses the file system: {reason}");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.is_mounted = false;
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.is_mounted {
            // After a failed test something may still use it; it goes when that is gone.
            let _ = run(Command::new("umount").arg("-l").arg(&self.folder));
        }
    }
}

/// A file system in memory that holds so many bytes.
pub fn tmpfs(folder: &Path, bytes: u64) -> Result<Mounted, String> {
    let size = format!("size={bytes}");
    mount(folder, &["-t", "tmpfs", "-o", &size, "tmpfs"])
}

/// An ext4 file system in a file.
#[derive(Debug)]
pub struct Image {
    file: PathBuf,
}

impl Image {
    /// Makes one of so many bytes.
    pub fn create(file: &Path, bytes: u64) -> Result<Self, String> {
        let made = File::create(file).and_then(|image| image.set_len(bytes));
        made.map_err(|error| format!("no image: {error}"))?;
        run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(file))?;
        Ok(Self { file: file.to_owned() })
    }

    /// Mounts it; the journal is replayed, as after a power cut.
    pub fn mount(&self, folder: &Path) -> Result<Mounted, String> {
        let file = self.file.to_str().ok_or("the path of the image is no text")?;
        mount(folder, &["-t", "ext4", "-o", "loop", file])
    }
}

fn mount(folder: &Path, arguments: &[&str]) -> Result<Mounted, String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    run(Command::new("mount").args(arguments).arg(folder))?;
    Ok(Mounted { folder: folder.to_owned(), is_mounted: true })
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// `EXT4_IOC_SHUTDOWN`, from the kernel's `fs/ext4/ext4.h`.
const EXT4_IOC_SHUTDOWN: Opcode = opcode::read::<u32>(b'X', 125);
/// `EXT4_GOING_FLAGS_NOLOGFLUSH`: not even the journal is written any more.
const NO_LOG_FLUSH: u32 = 2;

/// Cuts an ext4 file system off from its disk at once: what was not synced is lost, and
/// every further call fails.
pub fn cut_power(mounted: &Mounted) -> Result<(), String> {
    let folder = File::open(&mounted.folder).map_err(|error| error.to_string())?;
    shut_down(&folder).map_err(|error| format!("EXT4_IOC_SHUTDOWN: {error}"))
}

#[allow(unsafe_code)] // There is no safe wrapper for this one call.
fn shut_down(folder: &File) -> rustix::io::Result<()> {
    // SAFETY: the kernel reads one u32 of flags from the pointer it is given, which `Setter`
    // points at a u32 that lives until the call returns. A file system that is not ext4
    // refuses the number or reads the same u32 (XFS and F2FS share it).
    unsafe { ioctl(folder, Setter::<EXT4_IOC_SHUTDOWN, u32>::new(NO_LOG_FLUSH)) }
}
