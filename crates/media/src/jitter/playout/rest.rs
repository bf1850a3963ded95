//! Letting a quiet leg be: its packets are kept, and not decoded until somebody needs them.

use super::{Decoded, Flow, Playout, QUIET_SLACK_US, SHORT_US};
use crate::jitter::StoredPacket;
use crate::receiver::ReceiveCounters;

/// How many packets are kept whose playout time has passed: a decoder that begins with them is as good
/// as one that has heard everything.
const KEPT: usize = 10;

/// What is missing between packets for longer than this is a pause, and leaves no mark on a decoder.
const GAP_FRAMES: usize = 5;

/// A voice that was not recognized at once is heard so many frames late at most.
const BACK_FRAMES: i64 = 3;

impl Playout {
    /// Whether nothing is decoded.
    pub(crate) fn is_resting(&self) -> bool {
        matches!(self.flow, Flow::Resting { .. })
    }

    /// Decodes nothing from this tick on.
    pub(crate) fn rest(&mut self) {
        let waiting = self.queue.len() as i64;
        self.flow = match self.flow {
            Flow::Silent { after } => {
                self.queue.truncate(0);
                let until = after.unwrap_or(i64::MIN);
                Flow::Resting {
                    head: None,
                    decoded: Decoded { from: until, until },
                }
            }
            Flow::Playing { next } => resting(next, next.saturating_sub(waiting)),
            Flow::Concealing { next, invented } => {
                self.queue.truncate(0);
                resting(next, next.saturating_add(invented as i64))
            }
            Flow::Resting { .. } => return,
        };
        self.paused_by_peer = None;
    }

    /// Decodes again from this tick on, as though it had never stopped: the decoder is fed with what
    /// was kept. `onset` is where a voice began, if it was not recognized at once; it is heard late
    /// then. Fills `before` with what would have been heard before this tick, where that is known.
    pub(crate) fn wake(
        &mut self,
        onset: Option<i64>,
        before: &mut [f32],
        counters: &mut ReceiveCounters,
    ) -> bool {
        let Flow::Resting { decoded, .. } = self.flow else {
            return false;
        };
        // The beginning of a voice is not the place for a change of length.
        self.ticks_since_scaling = 0;
        let head = self.head().map(|head| self.back_to(onset, head));
        let Some(head) = head else {
            self.queue.truncate(0);
            let after = Some(decoded.until).filter(|until| *until != i64::MIN);
            self.flow = Flow::Silent { after };
            return false;
        };
        let begin = head.saturating_sub(before.len() as i64);
        if decoded.until > begin {
            // It was a short rest: what is wanted still waits.
            let gone = usize::try_from(begin.saturating_sub(decoded.from));
            self.queue.discard(gone.unwrap_or(0));
            self.flow = Flow::Playing {
                next: decoded.until,
            };
            if gone.is_err() {
                return false;
            }
        } else {
            self.queue.truncate(0);
            let known_until = self.prime(begin, decoded.until, counters);
            let covered = self
                .store
                .first()
                .is_some_and(|first| first.position <= begin);
            if !covered && begin.saturating_sub(known_until) > 3 * self.frame as i64 {
                self.flow = Flow::Silent { after: Some(begin) };
                return false;
            }
            self.flow = Flow::Playing { next: begin };
        }
        if before.is_empty() {
            return false;
        }
        self.fill(counters);
        self.queue.take(before);
        true
    }

    /// Follows a packet that was filed during a rest: only the latest of those that are over are kept.
    pub(super) fn keep_recent(&mut self, packet: StoredPacket, counters: &mut ReceiveCounters) {
        self.delay.resume();
        self.follow_target(packet.position);
        let Some(head) = self.head() else { return };
        let over = self.store.count_until(head);
        for _ in KEPT..over {
            self.store.discard_first();
            counters.skipped_frames += 1;
        }
    }

    /// Moves the head to where the network asks for it: in silence nobody hears that.
    fn follow_target(&mut self, position: i64) {
        let Flow::Resting { head, .. } = self.flow else {
            return;
        };
        let least_us = self.target_us(position, 0);
        let most_us = self.target_us(position, self.hysteresis_us());
        let tick_us = self.ticks.at_us();
        let offset_us = match head {
            Some(head) => tick_us.saturating_sub(self.rate.micros(head)),
            None => least_us,
        };
        let wanted_us = if offset_us.saturating_sub(least_us) < SHORT_US {
            least_us
        } else if offset_us.saturating_sub(most_us) > QUIET_SLACK_US {
            most_us
        } else {
            offset_us
        };
        self.offset_us = wanted_us;
        let head = match head {
            Some(head) => head.saturating_sub(self.rate.ticks(wanted_us.saturating_sub(offset_us))),
            None => self.rate.ticks(tick_us.saturating_sub(wanted_us)),
        };
        if let Flow::Resting { head: current, .. } = &mut self.flow {
            *current = Some(head);
        }
    }

    fn head(&self) -> Option<i64> {
        match self.flow {
            Flow::Resting { head, .. } => head,
            Flow::Silent { .. } | Flow::Playing { .. } | Flow::Concealing { .. } => None,
        }
    }

    /// The head, so many whole frames earlier that the onset is heard.
    fn back_to(&mut self, onset: Option<i64>, head: i64) -> i64 {
        let frame = self.frame as i64;
        let missed = onset.map_or(0, |onset| head.saturating_sub(onset));
        if !(1..=BACK_FRAMES * frame).contains(&missed) {
            return head;
        }
        let frames = (missed + frame - 1) / frame;
        self.offset_us += self.rate.micros(frames * frame);
        head.saturating_sub(frames * frame)
    }

    /// Lets the decoder hear what was kept, up to `begin`; returns where that ends. It goes on from
    /// what it knew before the rest: that resembles what it missed more than nothing does.
    fn prime(&mut self, begin: i64, decoded_until: i64, counters: &mut ReceiveCounters) -> i64 {
        let mut known_until = decoded_until;
        for _ in 0..self.store.count_until(begin) {
            let Some(packet) = self.store.first() else {
                break;
            };
            let gap = usize::try_from(packet.position.saturating_sub(known_until)).unwrap_or(0);
            if gap > 0 && gap <= GAP_FRAMES * self.frame {
                let lost = self.queue.append(gap);
                self.decoder.conceal(lost);
                self.queue.truncate(0);
            }
            self.last_number = None;
            self.decode(packet, counters);
            self.queue.truncate(0);
            known_until = packet.end();
        }
        known_until
    }
}

/// A rest that begins here, with what was decoded until `decoded_until` still waiting.
fn resting(decoded_until: i64, head: i64) -> Flow {
    Flow::Resting {
        head: Some(head),
        decoded: Decoded {
            from: head,
            until: decoded_until,
        },
    }
}
