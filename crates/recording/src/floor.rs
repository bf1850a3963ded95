//! How much of a disk is kept free.

use std::io;
use std::path::PathBuf;

/// How much of the disk is kept free: this share of it, and never more than these bytes. A zero in
/// either keeps nothing free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskFloor {
    pub percent: u8,
    pub bytes: u64,
}

impl Default for DiskFloor {
    fn default() -> DiskFloor {
        DiskFloor {
            percent: 10,
            bytes: 2 << 30,
        }
    }
}

impl DiskFloor {
    /// Whether a disk with this much room must take no more.
    pub(crate) fn is_reached(self, space: Space) -> bool {
        let share = u128::from(space.total_bytes) * u128::from(self.percent) / 100;
        u128::from(space.free_bytes) < share.min(u128::from(self.bytes))
    }
}

/// The room on a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) total_bytes: u64,
    /// What this process may still use.
    pub(crate) free_bytes: u64,
}

/// Measures the room on a disk.
pub(crate) type Measure = Box<dyn Fn() -> io::Result<Space> + Send + Sync>;

/// Measures the disk that a folder is on.
pub(crate) fn measure(dir: PathBuf) -> Measure {
    Box::new(move || {
        let disk = nix::sys::statvfs::statvfs(&dir)?;
        // The fields' widths differ between systems.
        #[allow(clippy::useless_conversion)]
        let bytes = |blocks| u64::from(blocks).saturating_mul(u64::from(disk.fragment_size()));
        Ok(Space {
            total_bytes: bytes(disk.blocks()),
            free_bytes: bytes(disk.blocks_available()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_share_and_bytes_is_kept_free() {
        let floor = DiskFloor {
            percent: 10,
            bytes: 500,
        };
        let room = |total_bytes, free_bytes| Space {
            total_bytes,
            free_bytes,
        };
        assert!(floor.is_reached(room(1_000, 99)));
        assert!(!floor.is_reached(room(1_000, 100)));
        assert!(floor.is_reached(room(1_000_000, 499)));
        assert!(!floor.is_reached(room(1_000_000, 500)));
    }

    #[test]
    fn a_zero_keeps_nothing_free() {
        let full = Space {
            total_bytes: 1_000,
            free_bytes: 0,
        };
        let no_share = DiskFloor {
            percent: 0,
            bytes: 500,
        };
        let no_bytes = DiskFloor {
            percent: 10,
            bytes: 0,
        };
        assert!(!no_share.is_reached(full));
        assert!(!no_bytes.is_reached(full));
    }
}
