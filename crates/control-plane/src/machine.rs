//! Does a person or a machine pick up? A guess from when the far end's voice is heard.
//!
//! A person says a word or two and waits for an answer. An answering machine recites: it speaks for
//! seconds and hardly stops. So a short greeting with silence after it is a person's, and a long one
//! is a machine's. Who says nothing is not known, and is treated as a person.
//!
//! The figures lie where the published defaults of telephone software lie (a greeting of 1.5 to 2.4 s
//! at most, 0.8 to 1.2 s of silence after it, 2.5 to 5 s of silence before it, 5 s in all), on the side
//! that rather lets a machine through than hangs up on a person. A fax modem is not recognized: its
//! calling tone counts as a voice, so that it is a machine like any other.

use std::time::Duration;

use tutti_model::Timestamp;

/// Who says nothing for as long is not known: most people say something within two seconds.
const INITIAL_SILENCE: Duration = Duration::from_millis(2_500);

/// Who speaks for as long in a greeting is a machine: "Good morning, this is Bob Miller speaking"
/// takes two seconds, "You have reached …" with what follows takes four and more.
const LONG_GREETING: Duration = Duration::from_millis(2_400);

/// Who is silent for as long after a greeting waits for an answer, as machines do only at their end;
/// between its sentences a recital rests for less.
const SILENCE_AFTER: Duration = Duration::from_millis(800);

/// What is shorter is no word, but a click on the line or a receiver that is put down.
const SHORTEST_WORD: Duration = Duration::from_millis(120);

/// A greeting that falls into more pieces is recited, as numbers are.
const MOST_PIECES: u32 = 4;

/// When nothing of this has said who it is, nothing will.
const LONGEST_ANALYSIS: Duration = Duration::from_millis(5_000);

/// Who has picked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Human,
    Machine,
    Unknown,
}

/// Listens from the answer until there is a verdict.
#[derive(Debug, Clone)]
pub(crate) struct Detector {
    answered: Timestamp,
    hears: Hears,
    /// How long the words of the greeting are so far, without the gaps.
    spoken: Duration,
    pieces: u32,
}

#[derive(Debug, Clone, Copy)]
enum Hears {
    Silence {
        since: Timestamp,
    },
    Voice {
        since: Timestamp,
        /// When the silence before it began, which goes on if this was a click only.
        silent_since: Timestamp,
    },
}

impl Detector {
    /// Begins at the moment of the answer.
    pub(crate) fn new(answered: Timestamp) -> Detector {
        Detector {
            answered,
            hears: Hears::Silence { since: answered },
            spoken: Duration::ZERO,
            pieces: 0,
        }
    }

    /// The far end began to speak, or has stopped; what is known already is no news.
    pub(crate) fn hear(&mut self, now: Timestamp, speaking: bool) -> Option<Verdict> {
        if let Some(verdict) = self.verdict(now) {
            return Some(verdict);
        }
        match (self.hears, speaking) {
            (Hears::Silence { .. }, false) | (Hears::Voice { .. }, true) => {}
            (Hears::Silence { since }, true) => {
                self.hears = Hears::Voice {
                    since: now,
                    silent_since: since,
                };
            }
            (
                Hears::Voice {
                    since,
                    silent_since,
                },
                false,
            ) => {
                let piece = now.since(since);
                if piece < SHORTEST_WORD {
                    self.hears = Hears::Silence {
                        since: silent_since,
                    };
                } else {
                    self.spoken += piece;
                    self.pieces += 1;
                    self.hears = Hears::Silence { since: now };
                }
            }
        }
        self.verdict(now)
    }

    /// What is known by now, also if nothing was heard since.
    pub(crate) fn verdict(&self, now: Timestamp) -> Option<Verdict> {
        if self.pieces > MOST_PIECES {
            return Some(Verdict::Machine);
        }
        let (at, verdict) = self.unless_something_is_heard();
        let latest = self.answered + LONGEST_ANALYSIS;
        if now >= at && at <= latest {
            Some(verdict)
        } else if now >= latest {
            Some(Verdict::Unknown)
        } else {
            None
        }
    }

    /// When to ask for the verdict again, if nothing is heard until then.
    pub(crate) fn deadline(&self) -> Timestamp {
        let (at, _) = self.unless_something_is_heard();
        at.min(self.answered + LONGEST_ANALYSIS)
    }

    /// What becomes known, and when, if all goes on as it is.
    fn unless_something_is_heard(&self) -> (Timestamp, Verdict) {
        match self.hears {
            Hears::Silence { .. } if self.spoken.is_zero() => {
                (self.answered + INITIAL_SILENCE, Verdict::Unknown)
            }
            Hears::Silence { since } => (since + SILENCE_AFTER, Verdict::Human),
            Hears::Voice { since, .. } => {
                let missing = LONG_GREETING.saturating_sub(self.spoken);
                (since + missing, Verdict::Machine)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWERED: Timestamp = Timestamp::from_micros(1_000_000_000);

    /// The verdict on a voice that is heard from each first to each second moment, and when it comes,
    /// all in milliseconds after the answer.
    fn verdict(voice: &[(u64, u64)]) -> (Verdict, u64) {
        let at = |ms: u64| ANSWERED + Duration::from_millis(ms);
        let since_answer = |at: Timestamp| at.since(ANSWERED).as_millis() as u64;
        let mut detector = Detector::new(ANSWERED);
        let changes = voice
            .iter()
            .flat_map(|(on, off)| [(at(*on), true), (at(*off), false)]);
        for (when, speaking) in changes {
            let deadline = detector.deadline();
            if deadline < when {
                let verdict = detector.verdict(deadline).unwrap();
                return (verdict, since_answer(deadline));
            }
            if let Some(verdict) = detector.hear(when, speaking) {
                return (verdict, since_answer(when));
            }
        }
        let deadline = detector.deadline();
        let verdict = detector.verdict(deadline).unwrap();
        (verdict, since_answer(deadline))
    }

    #[test]
    fn whoever_says_hello_and_waits_is_a_person() {
        for (voice, known_at) in [
            // "Hello?"
            (&[(400, 800)][..], 1_600),
            // "Hello", at once.
            (&[(0, 350)], 1_150),
            // "Hello, this is Bob speaking."
            (&[(500, 950), (1_150, 2_250)], 3_050),
            // A name alone, after some fumbling with the receiver.
            (&[(60, 130), (1_900, 2_500)], 3_300),
            // "Yes? … Hello?"
            (&[(300, 600), (1_100, 1_500)], 2_300),
            // "Good morning, Miller's bakery, how can I help you?"
            (&[(200, 900), (1_100, 1_800), (2_000, 2_900)], 3_700),
            // "Hello?", and a click before the silence is over.
            (&[(400, 800), (1_400, 1_480)], 1_600),
        ] {
            assert_eq!(verdict(voice), (Verdict::Human, known_at), "{voice:?}");
        }
    }

    #[test]
    fn whatever_recites_is_a_machine() {
        for (voice, known_at) in [
            // "You have reached the voice mail of …", in one breath.
            (&[(700, 6_000)][..], 3_100),
            // The same in sentences.
            (&[(500, 1_900), (2_300, 3_200), (3_600, 9_000)], 3_700),
            // Music, or a modem's tone.
            (&[(0, 60_000)], 2_400),
            // "Five, five, five, one, two …"
            (
                &[
                    (300, 600),
                    (800, 1_100),
                    (1_300, 1_600),
                    (1_800, 2_100),
                    (2_300, 2_600),
                    (2_800, 3_100),
                ],
                2_600,
            ),
        ] {
            assert_eq!(verdict(voice), (Verdict::Machine, known_at), "{voice:?}");
        }
    }

    #[test]
    fn whoever_says_nothing_is_not_known() {
        for (voice, known_at) in [
            (&[][..], 2_500),
            // Clicks are no words.
            (&[(100, 160), (900, 1_000)], 2_500),
            (&[(2_600, 3_000)], 2_500),
        ] {
            assert_eq!(verdict(voice), (Verdict::Unknown, known_at), "{voice:?}");
        }
    }

    #[test]
    fn after_five_seconds_it_is_not_known_any_more() {
        let hesitant = [(2_000, 2_500), (3_200, 3_700), (4_400, 4_900)];
        assert_eq!(verdict(&hesitant), (Verdict::Unknown, 5_000));
    }

    #[test]
    fn what_is_told_twice_is_heard_once() {
        let at = |ms: u64| ANSWERED + Duration::from_millis(ms);
        let mut detector = Detector::new(ANSWERED);
        for ms in [400, 500, 600] {
            assert_eq!(detector.hear(at(ms), true), None);
        }
        for ms in [800, 900, 1_000] {
            assert_eq!(detector.hear(at(ms), false), None);
        }
        assert_eq!(detector.deadline(), at(1_600));
    }
}
