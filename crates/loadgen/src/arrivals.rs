//! What came, what is missing, and how evenly did it come? (RFC 3550 §6.4.1, A.1, A.8)

use std::time::Duration;

use crate::histogram::Histogram;

/// A packet this far behind its place on the sender's timeline is late: a phone has played on.
const LATE_AFTER: Duration = Duration::from_millis(60);

/// A packet this far behind its place is not on time, though a phone's buffer takes it.
const BEHIND_AFTER: Duration = Duration::from_millis(5);

/// A jump by more than this is a new stream rather than a loss.
const LARGEST_GAP: u16 = 500;

/// How many of the newest sequence numbers are remembered to know a duplicate: those of one word.
const REMEMBERED: u16 = 64;

/// How fast the best transit time is forgotten per packet, so that clock skew is not lateness.
const FORGET_PER_PACKET_US: i64 = 10;

/// What a packet's header says, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub ssrc: u32,
    pub seq_no: u16,
    pub rtp_time: u32,
    /// Since any fixed moment.
    pub at: Duration,
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Play it, after standing in for this many missing ones before it.
    Play { missing: u16 },
    /// Forget the decoder's past, then play it.
    PlayAfresh,
    /// Its successor has been played already.
    Overtaken,
    /// It has come before.
    Duplicate,
}

/// How many packets went which way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counters {
    pub sent: u64,
    pub send_errors: u64,
    /// Unique packets of the stream.
    pub received: u64,
    /// Packets that should have come and did not, or not yet.
    pub lost: u64,
    /// Packets that came more than 60 ms behind their place, or after their successor.
    pub late: u64,
    /// Packets that came more than 5 ms behind their place; the late ones are among them.
    pub behind: u64,
    pub duplicates: u64,
    /// Packets that hold more than silence, as far as a listener that decodes nothing can tell.
    pub sounding: u64,
    /// RTCP packets, which share the port (RFC 5761).
    pub rtcp: u64,
    /// Datagrams that are neither that nor audio of the negotiated payload type.
    pub strays: u64,
    /// Payloads that the codec refused.
    pub undecodable: u64,
    /// How often the stream began anew.
    pub streams: u64,
    /// The interarrival jitter at the end.
    pub jitter: Duration,
    /// The time from each packet to the next.
    pub interarrival: Histogram,
}

impl Counters {
    /// What was counted since an earlier moment.
    #[must_use]
    pub fn since(&self, earlier: &Counters) -> Counters {
        Counters {
            sent: self.sent - earlier.sent,
            send_errors: self.send_errors - earlier.send_errors,
            received: self.received - earlier.received,
            // What was missing earlier may have come.
            lost: self.lost.saturating_sub(earlier.lost),
            late: self.late - earlier.late,
            behind: self.behind - earlier.behind,
            duplicates: self.duplicates - earlier.duplicates,
            sounding: self.sounding - earlier.sounding,
            rtcp: self.rtcp - earlier.rtcp,
            strays: self.strays - earlier.strays,
            undecodable: self.undecodable - earlier.undecodable,
            streams: self.streams - earlier.streams,
            jitter: self.jitter,
            interarrival: self.interarrival.since(&earlier.interarrival),
        }
    }
}

/// Keeps account of one incoming stream.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    clock_rate_hz: u32,
    stream: Option<Stream>,
    last_at: Option<Duration>,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    highest: u16,
    /// Bit n stands for the n-th number before the highest.
    seen: u64,
    last_rtp_time: u32,
    last_at: Duration,
    /// Transit of the last packet against the first one, in microseconds.
    transit_us: i64,
    best_transit_us: i64,
    jitter_us: f64,
}

impl Arrivals {
    /// Nothing has come yet.
    pub(crate) fn new(clock_rate_hz: u32) -> Arrivals {
        Arrivals {
            clock_rate_hz,
            stream: None,
            last_at: None,
        }
    }

    /// Files a packet and counts it.
    pub(crate) fn take(&mut self, packet: Arrival, counters: &mut Counters) -> Verdict {
        if let Some(before) = self.last_at.replace(packet.at) {
            counters.interarrival.add(packet.at.saturating_sub(before));
        }
        let Some(stream) = self
            .stream
            .as_mut()
            .filter(|stream| stream.ssrc == packet.ssrc)
        else {
            return self.begin(packet, counters);
        };
        let ahead = packet.seq_no.wrapping_sub(stream.highest);
        let behind = stream.highest.wrapping_sub(packet.seq_no);
        if ahead == 0 || (behind < REMEMBERED && stream.seen & (1 << behind) != 0) {
            counters.duplicates += 1;
            return Verdict::Duplicate;
        }
        if behind < REMEMBERED {
            stream.seen |= 1 << behind;
            counters.received += 1;
            counters.late += 1;
            counters.behind += 1;
            counters.lost = counters.lost.saturating_sub(1);
            return Verdict::Overtaken;
        }
        if ahead > LARGEST_GAP {
            return self.begin(packet, counters);
        }
        let missing = ahead - 1;
        stream.highest = packet.seq_no;
        stream.seen = stream.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
        counters.received += 1;
        counters.lost += u64::from(missing);
        let lateness = stream.lateness(packet, self.clock_rate_hz);
        counters.late += u64::from(lateness > LATE_AFTER);
        counters.behind += u64::from(lateness > BEHIND_AFTER);
        counters.jitter = Duration::from_micros(stream.jitter_us as u64);
        Verdict::Play { missing }
    }

    fn begin(&mut self, packet: Arrival, counters: &mut Counters) -> Verdict {
        self.stream = Some(Stream {
            ssrc: packet.ssrc,
            highest: packet.seq_no,
            seen: 1,
            last_rtp_time: packet.rtp_time,
            last_at: packet.at,
            transit_us: 0,
            best_transit_us: 0,
            jitter_us: 0.0,
        });
        counters.received += 1;
        counters.streams += 1;
        Verdict::PlayAfresh
    }
}

impl Stream {
    /// How far behind its place on the sender's timeline a packet came; updates the jitter.
    fn lateness(&mut self, packet: Arrival, clock_rate_hz: u32) -> Duration {
        let ticks = packet.rtp_time.wrapping_sub(self.last_rtp_time) as i32;
        let sent_after_us = i64::from(ticks) * 1_000_000 / i64::from(clock_rate_hz.max(1));
        let came_after_us = packet.at.as_micros() as i64 - self.last_at.as_micros() as i64;
        let difference_us = came_after_us - sent_after_us;
        self.jitter_us += (difference_us.abs() as f64 - self.jitter_us) / 16.0;
        self.transit_us += difference_us;
        self.best_transit_us = (self.best_transit_us + FORGET_PER_PACKET_US).min(self.transit_us);
        (self.last_rtp_time, self.last_at) = (packet.rtp_time, packet.at);
        Duration::from_micros((self.transit_us - self.best_transit_us).max(0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packet `n` of an even stream whose numbers are about to wrap, `delay_ms` behind its place.
    fn packet(n: u16, delay_ms: u64) -> Arrival {
        Arrival {
            ssrc: 7,
            seq_no: n.wrapping_add(65_530),
            rtp_time: (u32::from(n) * 160).wrapping_sub(900),
            at: Duration::from_millis(1_000 + 20 * u64::from(n) + delay_ms),
        }
    }

    fn take_all(packets: impl IntoIterator<Item = Arrival>) -> (Vec<Verdict>, Counters) {
        let (mut arrivals, mut counters) = (Arrivals::new(8_000), Counters::default());
        let verdicts = packets
            .into_iter()
            .map(|packet| arrivals.take(packet, &mut counters))
            .collect();
        (verdicts, counters)
    }

    #[test]
    fn an_even_stream_has_no_jitter_and_misses_nothing() {
        let (verdicts, counters) = take_all((0..100).map(|n| packet(n, 0)));
        assert_eq!(verdicts[0], Verdict::PlayAfresh);
        assert!(
            verdicts[1..]
                .iter()
                .all(|verdict| *verdict == Verdict::Play { missing: 0 })
        );
        assert_eq!(
            (counters.received, counters.lost, counters.late),
            (100, 0, 0)
        );
        assert_eq!(counters.jitter, Duration::ZERO);
        assert_eq!(counters.interarrival.quantile_ms(0.99), Some(20.0));
    }

    #[test]
    fn a_missing_packet_is_lost_until_it_comes_after_all() {
        let (verdicts, counters) = take_all([packet(0, 0), packet(1, 0), packet(4, 0)]);
        assert_eq!(verdicts[2], Verdict::Play { missing: 2 });
        assert_eq!(counters.lost, 2);
        let (verdicts, counters) =
            take_all([packet(0, 0), packet(1, 0), packet(4, 0), packet(2, 45)]);
        assert_eq!(verdicts[3], Verdict::Overtaken);
        assert_eq!((counters.lost, counters.late, counters.received), (1, 1, 4));
    }

    #[test]
    fn a_packet_that_comes_twice_counts_once() {
        let (verdicts, counters) =
            take_all([packet(0, 0), packet(1, 0), packet(1, 1), packet(0, 30)]);
        assert_eq!(verdicts[2..], [Verdict::Duplicate, Verdict::Duplicate]);
        assert_eq!((counters.received, counters.duplicates), (2, 2));
    }

    #[test]
    fn delay_beyond_a_phones_patience_is_late_and_jitter_grows() {
        let (_, counters) = take_all((0..10).map(|n| packet(n, if n == 5 { 80 } else { 0 })));
        assert_eq!((counters.late, counters.lost), (1, 0));
        assert!(
            counters.jitter > Duration::from_millis(3),
            "{:?}",
            counters.jitter
        );
    }

    #[test]
    fn another_source_or_a_great_jump_begins_a_new_stream() {
        let stranger = Arrival {
            ssrc: 8,
            ..packet(3, 0)
        };
        let jumped = Arrival {
            seq_no: 20_000,
            ..stranger
        };
        let (verdicts, counters) = take_all([packet(0, 0), stranger, jumped]);
        assert_eq!(verdicts, [Verdict::PlayAfresh; 3]);
        assert_eq!((counters.streams, counters.lost), (3, 0));
    }
}
