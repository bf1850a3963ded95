//! What is reported about a stream that is received (RFC 3550 A.3, A.8).

use tutti_model::Timestamp;

use super::{NtpTime, ReportBlock, SeqNo};

/// Keeps the statistics of one source.
#[derive(Debug, Clone)]
pub struct Reception {
    ssrc: u32,
    first: SeqNo,
    newest: SeqNo,
    received: u64,
    expected_at_report: u64,
    received_at_report: u64,
    /// The last packet's transit time in ticks, from an arbitrary zero.
    transit: Option<i64>,
    /// Interarrival jitter in sixteenths of a tick.
    jitter_16: u32,
    last_sr: Option<(NtpTime, Timestamp)>,
}

impl Reception {
    /// The statistics of a source whose first packet has this number.
    pub fn new(ssrc: u32, first: SeqNo) -> Reception {
        Reception {
            ssrc,
            first,
            newest: first,
            received: 0,
            expected_at_report: 0,
            received_at_report: 0,
            transit: None,
            jitter_16: 0,
            last_sr: None,
        }
    }

    /// The source.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Counts a packet.
    pub fn packet(&mut self, seq: SeqNo) {
        self.first = self.first.min(seq);
        self.newest = self.newest.max(seq);
        self.received += 1;
    }

    /// Follows the jitter of audio packets by their transit time in ticks, from any zero.
    pub fn transit(&mut self, ticks: i64) {
        if let Some(before) = self.transit.replace(ticks) {
            let difference = u32::try_from(ticks.abs_diff(before)).unwrap_or(u32::MAX) >> 4;
            // The gain of 1/16 in integers; a longer step than a 16th of the range is a jump.
            let smoothed = self.jitter_16 - ((self.jitter_16 + 8) >> 4);
            let step = u32::try_from(ticks.abs_diff(before)).unwrap_or(0);
            if difference < 1 << 20 {
                self.jitter_16 = smoothed.saturating_add(step);
            }
        }
    }

    /// Forgets the last transit time, where the stream's clock jumped.
    pub fn clock_jumped(&mut self) {
        self.transit = None;
    }

    /// Remembers the peer's sender report.
    pub fn sender_report(&mut self, now: Timestamp, ntp_time: NtpTime) {
        self.last_sr = Some((ntp_time, now));
    }

    /// Packets that never came, so far as is known.
    pub fn lost(&self) -> i64 {
        self.expected() as i64 - self.received as i64
    }

    /// Interarrival jitter in ticks.
    pub fn jitter_ticks(&self) -> u32 {
        self.jitter_16 >> 4
    }

    /// The report for the time since the last one; none when nothing came since.
    pub fn report(&mut self, now: Timestamp) -> Option<ReportBlock> {
        let received = self.received - self.received_at_report;
        if received == 0 {
            return None;
        }
        let expected = self.expected().saturating_sub(self.expected_at_report);
        let lost = expected.saturating_sub(received);
        self.expected_at_report = self.expected();
        self.received_at_report = self.received;
        let cycle = self.first.as_u64() >> 16 << 16;
        let (last_sr, delay_since_last_sr) = match self.last_sr {
            Some((ntp_time, arrived)) => {
                let units = now.since(arrived).as_micros() * 65_536 / 1_000_000;
                (ntp_time.middle(), u32::try_from(units).unwrap_or(u32::MAX))
            }
            None => (0, 0),
        };
        Some(ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8,
            cumulative_lost: self.lost().clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest_sequence: self.newest.as_u64().wrapping_sub(cycle) as u32,
            jitter: self.jitter_ticks(),
            last_sr,
            delay_since_last_sr,
        })
    }

    fn expected(&self) -> u64 {
        self.newest.since(self.first) + 1
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{Observation, SequenceTracker};
    use super::*;

    const T0: Timestamp = Timestamp::from_micros(0);

    fn receive(numbers: impl Iterator<Item = u16>) -> Reception {
        let mut tracker = SequenceTracker::default();
        let mut reception = None;
        for number in numbers {
            let (Observation::Newest(seq) | Observation::Overtaken(seq)) = tracker.observe(number)
            else {
                panic!("{number} is not in the stream");
            };
            reception
                .get_or_insert_with(|| Reception::new(7, seq))
                .packet(seq);
        }
        reception.unwrap()
    }

    #[test]
    fn one_of_four_lost_is_64_of_256() {
        let mut reception = receive((65_500..65_535).chain(0..65).filter(|n| n % 4 != 0));
        let block = reception.report(T0).unwrap();
        assert_eq!(block.cumulative_lost, reception.lost() as i32);
        assert!((60..=68).contains(&block.fraction_lost), "{block:?}");
        assert_eq!(block.highest_sequence, 0x1_0000 + 63);
        assert_eq!(reception.report(T0), None);
    }

    #[test]
    fn reordering_is_no_loss() {
        let mut reception = receive([10, 12, 11, 9, 13].into_iter());
        assert_eq!(reception.report(T0).unwrap().cumulative_lost, 0);
    }

    #[test]
    fn a_report_names_the_last_sender_report_and_its_age() {
        let mut reception = receive(0..10);
        reception.sender_report(T0, NtpTime::from_bits(0x1111_2222_3333_4444));
        let block = reception.report(T0 + Duration::from_millis(1_500)).unwrap();
        assert_eq!(block.last_sr, 0x2222_3333);
        assert_eq!(block.delay_since_last_sr, 98_304);
    }

    #[test]
    fn jitter_approaches_the_mean_difference_of_transit_times() {
        let mut reception = receive(0..1);
        for n in 0..1_000 {
            reception.transit(if n % 2 == 0 { 0 } else { 80 });
        }
        assert!(
            (78..=81).contains(&reception.jitter_ticks()),
            "{}",
            reception.jitter_ticks()
        );
        reception.clock_jumped();
        reception.transit(1 << 40);
        assert!(reception.jitter_ticks() <= 81);
    }
}
