//! How does a caller listen that only counts?
//!
//! Thousands of listeners on one core cannot decode what they hear. They count it, look at when it
//! came, and whether it can be anything but silence. Kernel time stamps keep reading it seldom from
//! looking like jitter.

use std::net::UdpSocket;
use std::time::Instant;

use tutti_model::Codec;

use crate::arrivals::{Arrival, Arrivals, Counters, Verdict};
use crate::datagram::Batch;
use crate::rtp_stream::{Glimpse, is_rtcp};

/// How many ticks pass between two readings.
///
/// More seldom costs the callers less and whoever sends to them more: the kernel finds less of its room
/// for datagrams in the cache.
pub(crate) const TICKS_PER_READING: u32 = 5;

/// A CELT packet of 20 ms with more octets than this holds more than silence.
const OPUS_SILENCE_BYTES: usize = 16;

/// Counts packets.
pub(super) struct CountingEars {
    codec: Codec,
    payload_type: u8,
    arrivals: Arrivals,
    until_reading: u32,
}

impl CountingEars {
    pub(super) fn new(codec: Codec, payload_type: u8) -> CountingEars {
        CountingEars {
            codec,
            payload_type,
            arrivals: Arrivals::new(codec.clock_rate()),
            // Callers that come together do not read together.
            until_reading: rand::random::<u32>() % TICKS_PER_READING,
        }
    }

    /// Counts what has come, when it is time to look.
    pub(super) fn take_in(
        &mut self,
        batch: &mut Batch,
        socket: &UdpSocket,
        started: Instant,
        counters: &mut Counters,
    ) {
        if self.until_reading > 0 {
            self.until_reading -= 1;
            return;
        }
        self.until_reading = TICKS_PER_READING - 1;
        batch.receive(socket, |datagram, came_at| {
            self.count(datagram, came_at, started, counters);
        });
    }

    /// In how many of the next ticks it would not look.
    pub(super) fn idle_ticks(&self) -> u32 {
        self.until_reading
    }

    /// Lets so many ticks pass in which it does not look.
    pub(super) fn pass_over(&mut self, ticks: u32) {
        self.until_reading = self.until_reading.saturating_sub(ticks);
    }

    fn count(
        &mut self,
        datagram: &[u8],
        came_at: Instant,
        started: Instant,
        counters: &mut Counters,
    ) {
        if is_rtcp(datagram) {
            counters.rtcp += 1;
            return;
        }
        let glimpse = Glimpse::of(datagram).filter(|seen| seen.payload_type == self.payload_type);
        let Some(glimpse) = glimpse else {
            counters.strays += 1;
            return;
        };
        let arrival = Arrival {
            ssrc: glimpse.ssrc,
            seq_no: glimpse.sequence_number,
            rtp_time: glimpse.timestamp,
            at: came_at.saturating_duration_since(started),
        };
        match self.arrivals.take(arrival, counters) {
            Verdict::Play { .. } | Verdict::PlayAfresh => {
                let payload = datagram.get(glimpse.payload_at..).unwrap_or_default();
                counters.sounding += u64::from(holds_sound(self.codec, payload));
            }
            Verdict::Overtaken | Verdict::Duplicate => {}
        }
    }
}

/// Whether a payload can be anything but silence, by a cheap look at it.
fn holds_sound(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Opus => match payload {
            // SILK, alone or below CELT, one frame: the frame begins with the encoder's own judgement
            // of its first 20 ms (RFC 6716 §4.2.3).
            [toc, first, _, ..] if toc & 0x83 == 0 => first & 0x80 != 0,
            _ => payload.len() > OPUS_SILENCE_BYTES,
        },
        // The lowest segment of µ-law and of A-law, whose even bits are inverted.
        Codec::Pcmu => payload.iter().any(|byte| byte & 0x70 != 0x70),
        Codec::Pcma => payload.iter().any(|byte| (byte ^ 0x55) & 0x70 != 0),
        Codec::G722 => payload.windows(2).any(|pair| pair.first() != pair.last()),
        // More than 255 from zero, seen in the upper octet.
        Codec::L16At16 | Codec::L16At48 => payload
            .iter()
            .step_by(2)
            .any(|byte| !matches!(byte, 0 | 0xff)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::recital_rate_hz;
    use crate::recital::{Quiet, Recital, Reciter};
    use crate::speech::{RATE_HZ, Speeches};
    use crate::voice::Manner;

    /// How many of 400 frames of a recital are taken for sound.
    fn sounding(codec: Codec, recital: Recital) -> usize {
        let mut reciter = Reciter::new(recital.into(), 0);
        let mut frames = || {
            reciter
                .next()
                .is_some_and(|payload| holds_sound(codec, payload))
        };
        (0..400).filter(|_| frames()).count()
    }

    #[test]
    fn speech_is_sound_and_silence_is_not() {
        let speech = Speeches::built_in().of_talker(0, Manner::Syllables);
        for codec in [Codec::Opus, Codec::Pcmu, Codec::Pcma, Codec::L16At16] {
            let sound = crate::resample::resample(
                &speech[..RATE_HZ as usize * 8],
                RATE_HZ,
                recital_rate_hz(codec),
            );
            let spoken = sounding(codec, Recital::of_sound(codec, &sound, 0).unwrap());
            assert!(spoken > 200, "{codec:?}: {spoken} of 400");
            let silent = sounding(codec, Recital::of_quiet(codec, Quiet::Silence).unwrap());
            assert!(silent < 20, "{codec:?}: {silent} of 400");
        }
    }
}
