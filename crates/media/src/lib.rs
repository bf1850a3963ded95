//! What everybody hears: jitter buffers, codecs and the mixer, on a tick.
//!
//! It opens no socket, reads no clock, spawns no thread and does not know what a conference is for.
//! Its owner tells it the time, hands it legs and conferences that were built beforehand, and calls
//! [`Engine::tick`] every 20 ms. From then on nothing here allocates, locks, logs or waits.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod beep;
pub mod codec;
mod conference;
mod engine;
pub mod frame;
mod jitter;
mod latch;
mod leg;
mod limiter;
mod prompt;
mod ramp;
mod receiver;
mod resampler;
pub mod rtp;
mod tap;
mod transport;

pub use beep::{ENTRY_TONES_HZ, EXIT_TONES_HZ};
pub use codec::{CodecError, Decoder, Encoder, EncoderSettings};
pub use conference::{Conference, MixClass};
pub use engine::{ConferenceSlot, Engine, EngineCommand, EngineEvent, LegSlot, Retired};
pub use frame::{FRAME_SAMPLES, Frame, SAMPLE_RATE_HZ};
pub use leg::{Leg, LegCounters, LegMedia, RtpIdentity};
pub use limiter::{CEILING, LOOK_AHEAD_SAMPLES};
pub use prompt::{Audio, Prompt, PromptAudio};
pub use receiver::{Pulled, ReceiveCounters, Receiver, RemoteReport};
pub use resampler::Resampler;
pub use rtp::{Malformed, RtpPacket, Sender};
pub use tap::Tap;
pub use transport::{Channel, Datagram, Transport};
