//! Where the media plane meets the machine: threads, sockets, files and fetched sound.

mod director;
mod sound;
mod tap;
mod thread;
mod udp;

pub use director::{Director, MediaSettings};
pub use sound::{Purpose, Sounds};
pub use thread::ThreadCounters;
pub use udp::PortPool;
