//! What everybody hears: jitter buffers, codecs and the mixer, on a tick.
//!
//! It opens no socket, reads no clock, spawns no thread and does not know what a conference is for.
//! Its owner tells it the time, hands it legs and conferences that were built beforehand, and calls
//! [`Engine::tick`] every 20 ms. From then on nothing here allocates, locks, logs or waits.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod beep;
mod call_recording;
pub mod codec;
mod conference;
mod contributors;
mod engine;
mod floor;
pub mod frame;
mod input;
mod jitter;
mod latch;
mod leg;
mod limiter;
mod mix_class;
mod outlet;
mod prompt;
mod ramp;
mod receiver;
mod resampler;
pub mod rtp;
mod settings;
mod spares;
mod speaker;
mod tap;
mod tone;
mod transport;
mod trunk;

pub use beep::{ENTRY_TONES_HZ, EXIT_TONES_HZ, RECORD_TONE_HZ, record_beep};
pub use call_recording::{CallRecording, MOST_CALL_RECORDINGS};
pub use codec::{CodecError, Decoder, Encoder, EncoderSettings};
pub use conference::{CONTRIBUTORS, Conference, MOST_CONFERENCE_PROMPTS};
pub use engine::{
    ConferenceSlot, Engine, EngineCommand, EngineEvent, LegSlot, PHASES, Retired, Work,
};
pub use frame::{FRAME_SAMPLES, Frame, SAMPLE_RATE_HZ};
pub use input::{
    DENOISER_DELAY_SAMPLES, Heard, InputChain, InputSettings, MOST_GAIN_DB, prepare_denoising,
};
pub use jitter::Decoding;
pub use leg::{Leg, LegCounters, LegMedia, RtpIdentity};
pub use limiter::{CEILING, LOOK_AHEAD_SAMPLES};
pub use mix_class::{ClassKey, MixClass};
pub use outlet::Outlet;
pub use prompt::{Audio, ConferencePrompt, Prompt, PromptAudio};
pub use receiver::{DelayBounds, Pulled, ReceiveCounters, Receiver, RemoteReport};
pub use resampler::Resampler;
pub use rtp::{Malformed, RtpPacket, Sender};
pub use settings::{LegSettings, PrivateTimes, SpeakerTimes};
pub use spares::Wanted;
pub use tap::Tap;
pub use tone::add_key_tone;
pub use transport::{Channel, Datagram, GROUP, Transport, Waiting};
pub use trunk::Trunk;
