//! Sequence numbers and timestamps, unwrapped (RFC 3550 A.1).

/// How far a stream may run ahead and still be the same stream.
const MAX_DROPOUT: u16 = 3_000;

/// How far a packet may lag behind and still belong to the stream.
const MAX_MISORDER: u16 = 100;

/// An extended sequence number: its low 16 bits are those on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeqNo(u64);

impl SeqNo {
    /// The number as it is on the wire.
    pub fn on_wire(self) -> u16 {
        self.0 as u16
    }

    /// The number counted from the stream's beginning, wrap-arounds included.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// How many packets after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: SeqNo) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// An RTP timestamp as it is on the wire: it wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RtpTime(u32);

impl RtpTime {
    /// The timestamp with this value on the wire.
    pub const fn new(ticks: u32) -> RtpTime {
        RtpTime(ticks)
    }

    /// The value on the wire.
    pub const fn as_u32(self) -> u32 {
        self.0
    }

    /// The timestamp this many ticks later.
    #[must_use]
    pub const fn plus(self, ticks: u32) -> RtpTime {
        RtpTime(self.0.wrapping_add(ticks))
    }

    /// Ticks from `earlier` to this, the short way round; negative when this is the earlier one.
    pub const fn since(self, earlier: RtpTime) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }
}

/// What a packet's sequence number says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// Newer than everything before.
    Newest(SeqNo),
    /// Overtaken by others, and not seen before.
    Overtaken(SeqNo),
    /// Seen before.
    Duplicate,
    /// Too far off to belong to the stream; the next one in order proves that the stream restarted.
    Unproven,
    /// The stream goes on from another number.
    Restarted(SeqNo),
}

/// Extends the sequence numbers of one source.
///
/// After a restart the numbers go on in a higher cycle, so that they never run backwards.
#[derive(Debug, Clone, Default)]
pub struct SequenceTracker {
    state: Option<Tracked>,
}

#[derive(Debug, Clone)]
struct Tracked {
    newest: SeqNo,
    /// Bit *n* says that the packet *n* before the newest has come.
    seen: u128,
    /// The number that would prove a restart.
    proof: Option<u16>,
}

impl SequenceTracker {
    /// The newest packet's number.
    pub fn newest(&self) -> Option<SeqNo> {
        self.state.as_ref().map(|state| state.newest)
    }

    /// Judges a packet by its number on the wire.
    pub fn observe(&mut self, on_wire: u16) -> Observation {
        let Some(state) = &mut self.state else {
            return Observation::Newest(self.begin(on_wire));
        };
        let ahead = on_wire.wrapping_sub(state.newest.on_wire());
        let behind = ahead.wrapping_neg();
        if ahead != 0 && ahead < MAX_DROPOUT {
            state.newest = SeqNo(state.newest.0 + u64::from(ahead));
            state.seen = state.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            state.proof = None;
            return Observation::Newest(state.newest);
        }
        if behind < MAX_MISORDER {
            let bit = 1_u128 << behind;
            if state.seen & bit != 0 {
                return Observation::Duplicate;
            }
            state.seen |= bit;
            return Observation::Overtaken(SeqNo(state.newest.0 - u64::from(behind)));
        }
        if state.proof == Some(on_wire) {
            return Observation::Restarted(self.begin(on_wire));
        }
        state.proof = Some(on_wire.wrapping_add(1));
        Observation::Unproven
    }

    /// Starts a stream at this number, in a cycle above all that came before.
    pub fn begin(&mut self, on_wire: u16) -> SeqNo {
        // The first cycle is 1, so that packets overtaken by the first one have a number too.
        let cycle = self.state.as_ref().map_or(0, |state| state.newest.0 >> 16) + 1;
        let newest = SeqNo((cycle << 16) | u64::from(on_wire));
        self.state = Some(Tracked {
            newest,
            seen: 1,
            proof: None,
        });
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun_at(on_wire: u16) -> SequenceTracker {
        let mut tracker = SequenceTracker::default();
        tracker.begin(on_wire);
        tracker
    }

    #[test]
    fn numbers_go_on_over_the_wrap_around() {
        let mut tracker = begun_at(0xfffe);
        let first = tracker.newest().unwrap();
        for step in 1..=200_000_u64 {
            let on_wire = (0xfffe_u64 + step) as u16;
            let Observation::Newest(seq) = tracker.observe(on_wire) else {
                panic!("step {step}")
            };
            assert_eq!(seq.since(first), step);
            assert_eq!(seq.on_wire(), on_wire);
        }
    }

    #[test]
    fn an_overtaken_packet_is_taken_once() {
        let mut tracker = begun_at(10);
        assert!(matches!(tracker.observe(13), Observation::Newest(_)));
        assert!(matches!(tracker.observe(11), Observation::Overtaken(seq) if seq.on_wire() == 11));
        assert_eq!(tracker.observe(11), Observation::Duplicate);
        assert_eq!(tracker.observe(13), Observation::Duplicate);
        assert_eq!(tracker.observe(10), Observation::Duplicate);
        // Even one from before the first packet.
        assert!(matches!(tracker.observe(9), Observation::Overtaken(_)));
    }

    #[test]
    fn a_restart_needs_two_packets_in_order() {
        let mut tracker = begun_at(100);
        let before = tracker.newest().unwrap();
        assert_eq!(tracker.observe(40_000), Observation::Unproven);
        assert_eq!(tracker.observe(50_000), Observation::Unproven);
        assert!(matches!(tracker.observe(101), Observation::Newest(_)));
        assert_eq!(tracker.observe(40_000), Observation::Unproven);
        let Observation::Restarted(seq) = tracker.observe(40_001) else {
            panic!("not restarted")
        };
        assert!(seq > before);
        assert_eq!(seq.on_wire(), 40_001);
        assert!(matches!(tracker.observe(40_002), Observation::Newest(_)));
    }

    #[test]
    fn a_long_gap_is_still_the_same_stream() {
        let mut tracker = begun_at(0);
        assert!(matches!(tracker.observe(2_999), Observation::Newest(_)));
        assert_eq!(tracker.observe(2_999 + 3_000), Observation::Unproven);
    }

    #[test]
    fn timestamps_differ_the_short_way_round() {
        assert_eq!(RtpTime::new(5).since(RtpTime::new(0xffff_fffb)), 10);
        assert_eq!(RtpTime::new(0xffff_fffb).since(RtpTime::new(5)), -10);
        assert_eq!(RtpTime::new(0xffff_ffff).plus(2), RtpTime::new(1));
    }
}
