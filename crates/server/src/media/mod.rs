//! Where the media plane meets the machine: threads, sockets, files and fetched sound.

mod counters;
mod director;
mod governor;
mod pace;
mod ports;
mod scheduling;
mod sound;
mod tap;
mod thread;
mod trunk;
mod udp;

pub use counters::{LATENESS_BOUNDS, ThreadCounters};
pub use director::{Director, MediaCounters, MediaSettings};
pub use ports::PortPool;
pub use scheduling::Priority;
pub use sound::{Purpose, Sounds};
