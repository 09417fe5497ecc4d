//! The power goes: an ext4 file system is cut off from its disk under the load of clients, so
//! that whatever was not synced is gone. After the journal's replay the lake has everything
//! that was acknowledged.

use std::path::Path;
use std::time::Duration;

use auditlake_tests::{Crowd, Ended, Image, RESTLESS, Site, cut_power, read_flushed};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const SEED: u64 = 77;
const ROUNDS: u32 = 8;
const DISK_BYTES: u64 = 256 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_loses_nothing_acknowledged() {
    let mut site = Site::new();
    let folder = site.folder().join("disk");
    let image = match disk_to_cut(&site.folder().join("disk.img"), &folder) {
        Ok(image) => image,
        Err(reason) => {
            println!("not tested, for want of a disk that can be cut off: {reason}");
            return;
        }
    };
    site.move_lake(folder.join("lake"));
    site.set(RESTLESS);
    let mut rng = SmallRng::seed_from_u64(SEED);
    let mut crowd = Crowd::new(SEED, 4);
    for round in 1..=ROUNDS {
        let disk = image.mount(&folder).expect("the image mounts again");
        if round > 1 {
            // Before anything else changes it: what the power cut left is all there is.
            read_flushed(site.lake()).await.assert_keeps(crowd.batches());
        }
        let server = site.start().await;
        let feeding = crowd.feed(&server.target());
        tokio::time::sleep(Duration::from_millis(rng.random_range(100..600))).await;
        // A machine without power answers nobody any more, whatever its disk was about to do:
        // an answer that leaves while the disk is being cut off would prove nothing.
        server.freeze();
        cut_power(&disk).expect("it could be cut before");
        server.kill();
        for ended in crowd.gather(feeding).await {
            assert!(matches!(ended, Ended::Gone), "round {round}: {ended:?}");
        }
        disk.unmount();
    }
    let disk = image.mount(&folder).expect("the image mounts again");
    let server = site.start().await;
    crowd.settle(&server.target()).await;
    assert!(server.stop().await.success(), "a healthy server stops cleanly");
    read_flushed(site.lake()).await.assert_keeps(crowd.batches());
    assert!(crowd.acknowledged() > 100, "only {} events came in", crowd.acknowledged());
    disk.unmount();
}

/// A disk, if this machine lets one be cut off and the cut loses what was not synced:
/// otherwise the test would pass without having tested anything.
fn disk_to_cut(image: &Path, folder: &Path) -> Result<Image, String> {
    const TEXT: &str = "this is only in memory";
    let image = Image::create(image, DISK_BYTES)?;
    let disk = image.mount(folder)?;
    let unsynced = disk.folder.join("unsynced");
    std::fs::write(&unsynced, TEXT).map_err(|error| error.to_string())?;
    cut_power(&disk)?;
    disk.unmount();
    let disk = image.mount(folder)?;
    let is_lost = std::fs::read_to_string(&unsynced).map_or(true, |text| text != TEXT);
    disk.unmount();
    is_lost.then_some(image).ok_or_else(|| "a cut loses nothing here".to_owned())
}
