//! Decides whose packets a leg takes, and where it sends its own (symmetric RTP, RFC 4961).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tutti_model::Timestamp;

/// How long after our answer another port of the same host may prove itself.
const WINDOW: Duration = Duration::from_secs(2);

/// How many packets in order prove a source.
const PROOF: u8 = 4;

/// Follows one leg's source of RTP: from the address in SDP to the one that proved itself.
///
/// A packet is believed when it comes from exactly where SDP says. Behind a NAT the port, and with
/// it the address, differs: a source at the SDP's or the signalling's address is believed after
/// [`PROOF`] packets in order of one SSRC within [`WINDOW`] after our answer. From then on nothing
/// else is, until a new offer.
#[derive(Debug, Clone)]
pub struct Latch {
    announced: SocketAddr,
    /// Where the signalling came from; a phone behind NAT sends its media from there too.
    signalling: IpAddr,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// No answer was sent yet, so nobody can know where to send.
    Unanswered,
    /// Sources may prove themselves until the window ends.
    Open {
        until: Timestamp,
        candidate: Option<Candidate>,
    },
    /// Only this source is heard.
    Locked(SocketAddr),
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    last_sequence: u16,
    proofs: u8,
}

impl Latch {
    /// Expects RTP from `announced`, or from another port at `signalling`'s host.
    pub fn new(announced: SocketAddr, signalling: IpAddr) -> Latch {
        Latch {
            announced,
            signalling,
            state: State::Unanswered,
        }
    }

    /// Opens the window: our answer is on its way.
    pub fn answered(&mut self, now: Timestamp) {
        self.state = State::Open {
            until: now + WINDOW,
            candidate: None,
        };
    }

    /// Starts anew with the address of a new offer, unless the address stays.
    ///
    /// Before the answer the address alone changes: early media goes there, and nothing is heard.
    pub fn announce(&mut self, now: Timestamp, announced: SocketAddr) {
        if self.announced != announced {
            self.announced = announced;
            match self.state {
                State::Unanswered => {}
                State::Open { .. } | State::Locked(_) => self.answered(now),
            }
        }
    }

    /// Where RTP is sent to now.
    pub fn destination(&self) -> SocketAddr {
        match self.state {
            State::Locked(source) => source,
            State::Unanswered | State::Open { .. } => self.announced,
        }
    }

    /// The only source whose RTP can still be believed, once nobody else can prove itself.
    pub fn only_source(&self, now: Timestamp) -> Option<SocketAddr> {
        match self.state {
            State::Unanswered => None,
            State::Open { until, .. } => (now > until).then_some(self.announced),
            State::Locked(source) => Some(source),
        }
    }

    /// Whether RTCP from this address may be believed.
    pub fn accepts_rtcp(&self, from: SocketAddr) -> bool {
        let answered = !matches!(self.state, State::Unanswered);
        answered && from.ip() == self.destination().ip()
    }

    /// Judges an RTP packet by its source, SSRC and sequence number.
    pub fn accepts(&mut self, now: Timestamp, from: SocketAddr, ssrc: u32, sequence: u16) -> bool {
        match &mut self.state {
            State::Unanswered => false,
            State::Locked(source) => from == *source,
            State::Open { until, candidate } => {
                let known_host = from.ip() == self.announced.ip() || from.ip() == self.signalling;
                let announced = from == self.announced;
                if !announced && (!known_host || now > *until) {
                    return false;
                }
                let proofs = match candidate {
                    Some(seen) if seen.from == from && seen.ssrc == ssrc => {
                        let in_order = sequence.wrapping_sub(seen.last_sequence) < 0x8000;
                        if in_order && sequence != seen.last_sequence {
                            seen.proofs + 1
                        } else {
                            1
                        }
                    }
                    Some(_) | None => 1,
                };
                *candidate = Some(Candidate {
                    from,
                    ssrc,
                    last_sequence: sequence,
                    proofs,
                });
                if proofs >= PROOF {
                    self.state = State::Locked(from);
                    return true;
                }
                announced
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_micros(0);

    fn at(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, host], port))
    }

    fn latch() -> Latch {
        let mut latch = Latch::new(at(1, 4000), at(1, 0).ip());
        latch.answered(T0);
        latch
    }

    fn offer(latch: &mut Latch, from: SocketAddr, count: u16) -> usize {
        (0..count)
            .filter(|&sequence| latch.accepts(T0, from, 7, sequence))
            .count()
    }

    #[test]
    fn the_announced_source_is_heard_at_once_and_then_alone() {
        let mut latch = latch();
        assert_eq!(offer(&mut latch, at(1, 4000), 5), 5);
        assert_eq!(offer(&mut latch, at(1, 4002), 50), 0);
        assert_eq!(latch.destination(), at(1, 4000));
    }

    #[test]
    fn another_port_of_the_host_is_heard_after_four_packets_in_order() {
        let mut latch = latch();
        assert_eq!(offer(&mut latch, at(1, 9999), 6), 3);
        assert_eq!(latch.destination(), at(1, 9999));
        assert_eq!(offer(&mut latch, at(1, 4000), 5), 0);
    }

    #[test]
    fn a_foreign_host_is_never_heard_nor_sent_to() {
        let mut latch = latch();
        assert_eq!(offer(&mut latch, at(66, 4000), 1_000), 0);
        assert_eq!(latch.destination(), at(1, 4000));
    }

    #[test]
    fn after_the_window_only_the_announced_source_is_heard() {
        let mut latch = latch();
        let late = T0 + Duration::from_secs(3);
        assert!((0..20).all(|sequence| !latch.accepts(late, at(1, 9999), 7, sequence)));
        assert!(latch.accepts(late, at(1, 4000), 7, 1));
    }

    #[test]
    fn nothing_is_heard_before_the_answer() {
        let mut latch = Latch::new(at(1, 4000), at(1, 0).ip());
        assert!(!latch.accepts(T0, at(1, 4000), 7, 1));
        assert!(!latch.accepts_rtcp(at(1, 4001)));
    }

    #[test]
    fn another_description_before_the_answer_opens_nothing() {
        let mut latch = Latch::new(at(1, 4000), at(1, 0).ip());
        latch.announce(T0, at(1, 4002));
        assert_eq!(latch.destination(), at(1, 4002));
        assert_eq!(offer(&mut latch, at(1, 4002), 10), 0);
        latch.answered(T0);
        assert_eq!(offer(&mut latch, at(1, 4002), 10), 10);
    }

    #[test]
    fn the_host_of_the_signalling_is_heard_within_the_window_alone() {
        let behind_nat = || {
            let mut latch = Latch::new(at(1, 4000), at(9, 0).ip());
            latch.answered(T0);
            latch
        };
        let mut latch = behind_nat();
        assert_eq!(offer(&mut latch, at(9, 7000), 10), 7);
        assert_eq!(latch.destination(), at(9, 7000));
        let mut latch = behind_nat();
        let late = T0 + Duration::from_secs(3);
        assert!((0..20).all(|sequence| !latch.accepts(late, at(9, 7000), 7, sequence)));
    }

    #[test]
    fn a_sprayer_that_changes_its_ssrc_proves_nothing() {
        let mut latch = latch();
        assert!((0..100).all(|n| !latch.accepts(T0, at(1, 5000), u32::from(n), n)));
    }

    #[test]
    fn a_nat_that_changes_its_port_in_a_call_is_believed_after_a_new_offer_only() {
        let mut latch = latch();
        assert_eq!(offer(&mut latch, at(1, 9999), 6), 3);
        // The same phone, behind another port: who could tell it from somebody else at its NAT?
        let later = T0 + Duration::from_secs(60);
        assert!((0..100).all(|sequence| !latch.accepts(later, at(1, 9998), 7, 100 + sequence)));
        assert_eq!(latch.destination(), at(1, 9999));
        // Nor does an offer with the same address help whoever has not sent it.
        latch.announce(later, at(1, 4000));
        assert!(!latch.accepts(later, at(1, 9998), 7, 300));
        assert!(latch.accepts(later, at(1, 9999), 7, 300));

        latch.announce(later, at(1, 4002));
        let proven = (0..6).filter(|&sequence| latch.accepts(later, at(1, 9998), 7, sequence));
        assert_eq!(proven.count(), 3);
        assert_eq!(latch.destination(), at(1, 9998));
        assert!(!latch.accepts(later, at(1, 9999), 7, 400));
    }
}
