//! Values as bytes and back, for takes: little-endian, without names.

use std::net::{IpAddr, SocketAddr};

use tutti_media::{Audio, ConferenceSlot, LegSlot, RtpIdentity};
use tutti_model::{Codec, Format, MediaDescription, MediaFlow, Privileges, Timestamp};

/// What can be written and read again.
pub(crate) trait Wire: Sized {
    fn write(&self, out: &mut Vec<u8>);

    /// The value at the front; [`None`] where there is none.
    fn read(from: &mut Reader<'_>) -> Option<Self>;
}

/// Bytes that are left to be read.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(bytes)
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            fn write(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }

            fn read(from: &mut Reader<'_>) -> Option<Self> {
                let bytes = from.bytes(size_of::<Self>())?;
                Some(Self::from_le_bytes(bytes.try_into().ok()?))
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, i64, f32);

impl Wire for bool {
    fn write(&self, out: &mut Vec<u8>) {
        u8::from(*self).write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<bool> {
        match u8::read(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T: Wire> Wire for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        self.is_some().write(out);
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Option<T>> {
        Some(if bool::read(from)? {
            Some(T::read(from)?)
        } else {
            None
        })
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<(A, B)> {
        Some((A::read(from)?, B::read(from)?))
    }
}

impl Wire for Vec<u8> {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u64).write(out);
        out.extend_from_slice(self);
    }

    fn read(from: &mut Reader<'_>) -> Option<Vec<u8>> {
        let length = usize::try_from(u64::read(from)?).ok()?;
        from.bytes(length).map(<[u8]>::to_vec)
    }
}

impl Wire for [u8; 20] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self);
    }

    fn read(from: &mut Reader<'_>) -> Option<[u8; 20]> {
        from.bytes(20)?.try_into().ok()
    }
}

impl Wire for Audio {
    fn write(&self, out: &mut Vec<u8>) {
        (self.len() as u64).write(out);
        self.iter().for_each(|sample| sample.write(out));
    }

    fn read(from: &mut Reader<'_>) -> Option<Audio> {
        let length = usize::try_from(u64::read(from)?).ok()?;
        let bytes = from.bytes(length.checked_mul(size_of::<f32>())?)?;
        let mut samples = Reader::new(bytes);
        (0..length).map(|_| f32::read(&mut samples)).collect()
    }
}

impl Wire for Timestamp {
    fn write(&self, out: &mut Vec<u8>) {
        self.as_micros().write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<Timestamp> {
        i64::read(from).map(Timestamp::from_micros)
    }
}

impl Wire for LegSlot {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<LegSlot> {
        u16::read(from).map(LegSlot)
    }
}

impl Wire for ConferenceSlot {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<ConferenceSlot> {
        u16::read(from).map(ConferenceSlot)
    }
}

impl Wire for Privileges {
    fn write(&self, out: &mut Vec<u8>) {
        (self.talk, self.listen).write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<Privileges> {
        let (talk, listen) = Wire::read(from)?;
        Some(Privileges { talk, listen })
    }
}

impl Wire for RtpIdentity {
    fn write(&self, out: &mut Vec<u8>) {
        (self.ssrc, (self.first_sequence, self.first_timestamp)).write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<RtpIdentity> {
        let (ssrc, (first_sequence, first_timestamp)) = Wire::read(from)?;
        Some(RtpIdentity {
            ssrc,
            first_sequence,
            first_timestamp,
        })
    }
}

impl Wire for SocketAddr {
    fn write(&self, out: &mut Vec<u8>) {
        let octets = match self.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        (octets, self.port()).write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<SocketAddr> {
        let (octets, port): (Vec<u8>, u16) = Wire::read(from)?;
        let ip = match <[u8; 4]>::try_from(octets.as_slice()) {
            Ok(v4) => IpAddr::from(v4),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(octets.as_slice()).ok()?),
        };
        Some(SocketAddr::new(ip, port))
    }
}

impl Wire for Codec {
    fn write(&self, out: &mut Vec<u8>) {
        let number: u8 = match self {
            Codec::Opus => 0,
            Codec::G722 => 1,
            Codec::Pcmu => 2,
            Codec::Pcma => 3,
            Codec::L16At16 => 4,
            Codec::L16At48 => 5,
        };
        number.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<Codec> {
        Some(match u8::read(from)? {
            0 => Codec::Opus,
            1 => Codec::G722,
            2 => Codec::Pcmu,
            3 => Codec::Pcma,
            4 => Codec::L16At16,
            5 => Codec::L16At48,
            _ => return None,
        })
    }
}

impl Wire for Format {
    fn write(&self, out: &mut Vec<u8>) {
        let Format {
            codec,
            fec,
            dtx,
            cbr,
            max_bitrate_bps,
            max_playback_hz,
            comfort_noise,
        } = self;
        codec.write(out);
        (*fec, (*dtx, *cbr)).write(out);
        (*max_bitrate_bps, *max_playback_hz).write(out);
        comfort_noise.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<Format> {
        Some(Format {
            codec: Wire::read(from)?,
            fec: Wire::read(from)?,
            dtx: Wire::read(from)?,
            cbr: Wire::read(from)?,
            max_bitrate_bps: Wire::read(from)?,
            max_playback_hz: Wire::read(from)?,
            comfort_noise: Wire::read(from)?,
        })
    }
}

impl Wire for MediaDescription {
    fn write(&self, out: &mut Vec<u8>) {
        let MediaDescription {
            format,
            payload_type,
            telephone_event,
            comfort_noise,
            level_extension,
            mixer_levels_extension,
            remote_rtp,
            remote_rtcp,
            flow,
        } = self;
        format.write(out);
        payload_type.write(out);
        (*telephone_event, *comfort_noise).write(out);
        (*level_extension, *mixer_levels_extension).write(out);
        (*remote_rtp, *remote_rtcp).write(out);
        (flow.send, flow.receive).write(out);
    }

    fn read(from: &mut Reader<'_>) -> Option<MediaDescription> {
        Some(MediaDescription {
            format: Wire::read(from)?,
            payload_type: Wire::read(from)?,
            telephone_event: Wire::read(from)?,
            comfort_noise: Wire::read(from)?,
            level_extension: Wire::read(from)?,
            mixer_levels_extension: Wire::read(from)?,
            remote_rtp: Wire::read(from)?,
            remote_rtcp: Wire::read(from)?,
            flow: MediaFlow {
                send: Wire::read(from)?,
                receive: Wire::read(from)?,
            },
        })
    }
}
