//! Keys with which a participant gets a script while it stays in its conference (FreeClimb API,
//! "AddToConference", `callControlSequence`).

use std::collections::VecDeque;
use std::time::Duration;

use tutti_model::{CallId, Digit, Timestamp};

use crate::call::Activity;
use crate::plane::ControlPlane;
use crate::script::AddToConference;
use crate::turn::Turn;
use crate::webhook::Webhook;

/// Keys that are as far apart do not belong to one sequence.
const APART: Duration = Duration::from_secs(5);

/// What a participant presses to get a script, and who gives it.
pub(crate) struct CallControl {
    url: String,
    /// At least one key.
    sequence: Vec<Digit>,
    /// The latest keys, as many as the sequence has at most.
    latest: VecDeque<Digit>,
    pressed: Option<Timestamp>,
}

impl CallControl {
    /// What was agreed, if it is allowed, and whole.
    pub(crate) fn agreed(how: &AddToConference) -> Option<CallControl> {
        let (true, Some(url), Some(sequence)) = (
            how.allow_call_control,
            &how.call_control_url,
            &how.call_control_sequence,
        ) else {
            return None;
        };
        let sequence: Vec<_> = sequence
            .chars()
            .map(Digit::from_char)
            .collect::<Option<_>>()?;
        (!sequence.is_empty()).then(|| CallControl {
            url: url.clone(),
            latest: VecDeque::with_capacity(sequence.len()),
            sequence,
            pressed: None,
        })
    }

    /// Whether this key completes the sequence. The next one begins anew then.
    fn completes(&mut self, now: Timestamp, digit: Digit) -> bool {
        if self.pressed.is_some_and(|at| now.since(at) > APART) {
            self.latest.clear();
        }
        self.pressed = Some(now);
        if self.latest.len() == self.sequence.len() {
            self.latest.pop_front();
        }
        self.latest.push_back(digit);
        let complete = self.latest.iter().eq(&self.sequence);
        if complete {
            self.latest.clear();
        }
        complete
    }

    fn digits(&self) -> String {
        self.sequence.iter().map(|digit| digit.as_char()).collect()
    }
}

impl ControlPlane {
    /// Asks for a script where a participant's key completes its sequence.
    pub(crate) fn control_key_pressed(&mut self, turn: &mut Turn, id: CallId, digit: Digit) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let idle = matches!(call.activity(), Activity::Idle);
        let Some((conference, control)) = call.call_control() else {
            return;
        };
        if !idle {
            // A script has been asked for; what is pressed meanwhile is not for us.
            return;
        }
        if !control.completes(turn.now, digit) {
            return;
        }
        let (url, digits) = (control.url.clone(), control.digits());
        let webhook = Webhook::CallControl {
            call: call.context(),
            conference,
            digits,
        };
        call.ask(turn, self.ids.exchange(), url, webhook);
    }
}

#[cfg(test)]
mod tests {
    use tutti_model::ConferenceId;

    use super::*;

    fn control(sequence: &str) -> Option<CallControl> {
        CallControl::agreed(&AddToConference {
            conference: ConferenceId::from_bytes([1; 20]),
            call: None,
            start_conf_on_enter: true,
            talk: true,
            listen: true,
            dtmf_pass_through: true,
            allow_call_control: true,
            call_control_sequence: Some(sequence.into()),
            call_control_url: Some("http://app/control".into()),
            leave_conference_url: None,
            notification_url: None,
        })
    }

    /// How often keys complete a sequence: when in ms, which key.
    fn completed(sequence: &str, keys: &[(i64, char)]) -> usize {
        let mut control = control(sequence).unwrap();
        keys.iter()
            .filter(|(at_ms, key)| {
                let at = Timestamp::from_micros(at_ms * 1_000);
                control.completes(at, Digit::from_char(*key).unwrap())
            })
            .count()
    }

    fn in_a_row(keys: &str) -> Vec<(i64, char)> {
        keys.chars()
            .zip(0..)
            .map(|(key, n)| (n * 100, key))
            .collect()
    }

    #[test]
    fn a_sequence_is_found_wherever_it_is_and_however_it_repeats_itself() {
        assert_eq!(completed("*1", &in_a_row("**1")), 1);
        assert_eq!(completed("**#", &in_a_row("***#")), 1);
        assert_eq!(completed("1212#", &in_a_row("121212#")), 1);
        assert_eq!(completed("5", &in_a_row("555")), 3);
        assert_eq!(completed("*1", &in_a_row("*2*1#*1")), 2);
        assert_eq!(completed("*1", &in_a_row("1*")), 0);
    }

    #[test]
    fn no_key_belongs_to_two_sequences() {
        assert_eq!(completed("11", &in_a_row("111")), 1);
        assert_eq!(completed("11", &in_a_row("1111")), 2);
        assert_eq!(completed("121", &in_a_row("12121")), 1);
    }

    #[test]
    fn keys_that_are_far_apart_do_not_belong_together() {
        assert_eq!(completed("*1", &[(0, '*'), (5_000, '1')]), 1);
        assert_eq!(completed("*1", &[(0, '*'), (5_001, '1')]), 0);
        let slow = [(0, '*'), (4_000, '1'), (8_000, '2')];
        assert_eq!(completed("*12", &slow), 1);
    }

    #[test]
    fn what_is_not_made_of_keys_is_no_sequence() {
        assert!(control("").is_none());
        assert!(control("*x").is_none());
    }
}
