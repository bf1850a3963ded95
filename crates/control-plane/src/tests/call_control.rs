//! Scripts that participants get while they stay in their conference.

use tutti_model::{ConferenceId, MediaEvent, PromptOutcome};

use super::story::*;
use crate::*;

/// Somebody who gets a script with `*1`, and goes on somewhere else afterwards.
fn in_control(conference: ConferenceId) -> AddToConference {
    AddToConference {
        allow_call_control: true,
        call_control_sequence: Some("*1".into()),
        call_control_url: Some("http://app/control".into()),
        ..going_on(guest(conference))
    }
}

/// A conference in progress with B, and A in control.
fn together() -> (Story, ConferenceId) {
    let mut story = Story::begin();
    let conference = story.creates(quiet());
    story.joins('B', starter(conference));
    story.joins('A', in_control(conference));
    (story, conference)
}

/// The same, and A has asked for a script.
fn asked() -> (Story, ConferenceId) {
    let (mut story, conference) = together();
    story.presses('A', '*');
    story.presses('A', '1');
    (story, conference)
}

/// What keys led to, without those that are passed on.
fn press(story: &mut Story, keys: &str) -> Vec<String> {
    let told: Vec<_> = keys
        .chars()
        .flat_map(|key| story.presses('A', key))
        .collect();
    told.into_iter()
        .filter(|told| !told.starts_with("media: pass"))
        .collect()
}

fn heard(story: &mut Story) -> Vec<String> {
    let prompt = story.prompted('A');
    story.hears_it_all('A', prompt)
}

#[test]
fn the_sequence_asks_for_a_script_and_the_others_hear_its_keys() {
    let (mut story, conference) = together();
    assert_eq!(story.presses('A', '*'), ["media: pass * of A"]);
    assert_eq!(
        story.presses('A', '1'),
        ["media: pass 1 of A", "ask: A callControl *1"]
    );
    let Some(Effect::Ask(exchange)) = story.effects.last() else {
        panic!("{:?}", story.effects);
    };
    assert_eq!(exchange.url, "http://app/control");
    let Webhook::CallControl {
        call,
        conference: where_,
        ..
    } = &exchange.webhook
    else {
        panic!("{exchange:?}");
    };
    assert_eq!((call.conference, *where_), (Some(conference), conference));
}

#[test]
fn the_sequence_counts_in_the_signalling_too_and_its_keys_once() {
    let (mut story, _) = together();
    let signalled = |key| Input::KeySignalled {
        call: call('A'),
        digit: digit(key),
    };
    story.happens(signalled('*'));
    story.presses('A', '*');
    assert_eq!(story.happens(signalled('1'))[1], "ask: A callControl *1");
    assert_eq!(story.presses('A', '1'), [""; 0]);
}

#[test]
fn who_may_not_control_gets_no_script() {
    let mut story = Story::begin();
    let conference = story.creates(quiet());
    story.joins('B', starter(conference));
    let mut joins = |how: AddToConference| {
        let told = story.joins('A', how);
        let pressed = press(&mut story, "*1");
        story.hangs_up('A');
        assert_eq!(pressed, [""; 0]);
        told.last().cloned().unwrap()
    };
    let warning = "log: Warning: AddToConference: call control needs a sequence of keys and a URL";
    let forbidden = AddToConference {
        allow_call_control: false,
        ..in_control(conference)
    };
    assert_ne!(joins(forbidden), warning);
    let without_keys = AddToConference {
        call_control_sequence: None,
        ..in_control(conference)
    };
    assert_eq!(joins(without_keys), warning);
    let with_other_letters = AddToConference {
        call_control_sequence: Some("*x".into()),
        ..in_control(conference)
    };
    assert_eq!(joins(with_other_letters), warning);
    let without_url = AddToConference {
        call_control_url: None,
        ..in_control(conference)
    };
    assert_eq!(joins(without_url), warning);
}

#[test]
fn a_script_that_ends_lets_the_call_be_with_the_others_again() {
    let (mut story, _) = asked();
    assert_eq!(
        story.runs(
            'A',
            [
                Command::SetTalk {
                    talk: false,
                    call: None
                },
                Command::SetDtmfPassThrough {
                    dtmf_pass_through: false
                },
                Command::SetListen {
                    listen: true,
                    call: None
                },
            ]
        ),
        [
            "fact: A is in muted",
            "fact: A is in muted without keys",
            "media: A talk false listen true",
        ]
    );
    assert_eq!(press(&mut story, "*1"), ["ask: A callControl *1"]);
    assert_eq!(
        story.runs(
            'A',
            [Command::SetTalk {
                talk: true,
                call: None
            }]
        ),
        [
            "fact: A is in without keys",
            "media: A talk true listen true",
        ]
    );
    // Not even an empty script ends it.
    press(&mut story, "*1");
    assert_eq!(story.runs('A', []), [""; 0]);
    assert_eq!(story.plane.participant_count(), 2);
}

#[test]
fn keys_do_not_count_while_a_script_is_asked_for_or_runs() {
    let (mut story, _) = asked();
    let exchange = story.asked('A');
    assert_eq!(press(&mut story, "*1"), [""; 0]);
    story.is_given('A', exchange, [say("you are muted")]);
    let prompt = story.prompted('A');
    assert_eq!(press(&mut story, "*1*"), [""; 0]);
    story.hears_it_all('A', prompt);
    // Nor those that were half of it.
    assert_eq!(press(&mut story, "1"), [""; 0]);
    assert_eq!(press(&mut story, "*1"), ["ask: A callControl *1"]);
}

#[test]
fn a_prompt_for_another_conference_than_the_calls_own_ends_the_call() {
    let (mut story, _) = asked();
    let to_others = Say {
        conference: Some(ConferenceId::from_bytes([9; 20])),
        ..spoken("five minutes left")
    };
    let told = story.runs('A', [Command::Say(to_others)]);
    let log = "log: Error: Say: the call is in another conference than the one named";
    assert!(told.contains(&log.to_owned()), "{told:?}");
    assert_eq!(told[0], "fact: A Completed PerclProcessingError");
}

#[test]
fn a_participant_hears_prompts_alone_or_with_everybody() {
    let (mut story, conference) = asked();
    let to_all = Say {
        conference: Some(conference),
        ..spoken("five minutes left")
    };
    assert_eq!(
        story.runs('A', [say("hello"), Command::Say(to_all), pause(secs(2))]),
        ["media: prompt A 'hello' in en-US Times(1)"]
    );
    assert_eq!(
        heard(&mut story),
        ["media: prompt A to all 'five minutes left' in en-US Times(1)"]
    );
    assert_eq!(heard(&mut story), [""; 0]);
    assert_eq!(press(&mut story, "*1"), [""; 0]);
    story.passes(secs(2));
    assert_eq!(press(&mut story, "*1"), ["ask: A callControl *1"]);
}

#[test]
fn keys_can_be_pressed_towards_a_participant() {
    let (mut story, _) = asked();
    let keys = Command::SendDigits {
        digits: vec![Keystroke::Press(digit('4')), Keystroke::Press(digit('2'))],
        private: true,
    };
    assert_eq!(story.runs('A', [keys]), ["media: press 4 towards A"]);
    assert_eq!(story.passes(millis(200)), ["media: press 2 towards A"]);
    assert_eq!(press(&mut story, "*1"), ["ask: A callControl *1"]);
}

#[test]
fn a_redirect_asks_on_and_stays() {
    let (mut story, _) = asked();
    assert_eq!(
        story.runs('A', [redirect()]),
        ["ask: A redirect instead of A callControl *1"]
    );
    assert_eq!(
        story.runs(
            'A',
            [Command::SetTalk {
                talk: false,
                call: None
            }]
        )[0],
        "fact: A is in muted"
    );
}

#[test]
fn a_participant_removes_itself_as_an_application_would() {
    let (mut story, _) = asked();
    assert_eq!(
        story.runs(
            'A',
            [
                Command::RemoveFromConference { call: None },
                say("never heard")
            ]
        ),
        [
            "fact: A InProgress",
            "fact: A is out",
            "media: leave A",
            "ask: A left",
        ]
    );
    let told = story.runs('A', []);
    assert_eq!(told[0], "fact: A Completed AppNoPercl");

    let mut story = Story::begin();
    let conference = story.creates(quiet());
    let how = AddToConference {
        leave_conference_url: None,
        ..in_control(conference)
    };
    story.joins('A', how);
    press(&mut story, "*1");
    assert_eq!(
        story.runs('A', [Command::RemoveFromConference { call: None }])[0],
        "fact: A Completed RemovedFromConference"
    );
}

#[test]
fn a_participant_terminates_the_conference() {
    let (mut story, conference) = asked();
    let told = story.runs(
        'A',
        [
            Command::TerminateConference { conference: None },
            say("never heard"),
        ],
    );
    assert!(told.contains(&"fact: A Completed ConferenceTerminated".to_owned()));
    assert!(told.contains(&"fact: B Completed ConferenceTerminated".to_owned()));
    assert!(told.contains(&"notify: conference Terminated".to_owned()));
    assert_eq!(story.plane.call_count(), 0);
    assert_eq!(story.plane.next_deadline(), None);
    assert_eq!(
        story.refuses(ask_for(conference, RequestedStatus::Empty)),
        Refusal::ConferenceTerminated
    );
}

#[test]
fn a_participant_hangs_up() {
    let (mut story, _) = asked();
    assert_eq!(
        story.runs('A', [hang_up()]),
        [
            "fact: A Completed AppHangup",
            "notify: A left",
            "notify: A ended AppHangup after 0 s",
            "fact: A is out",
            "media: leave A",
            "signal: A HangUp",
            "media: close A",
        ]
    );
}

#[test]
fn a_participant_moves_to_another_conference_and_the_first_is_told_of_and_not_asked() {
    let (mut story, _) = together();
    let other = story.creates(quiet());
    press(&mut story, "*1");
    assert_eq!(
        story.runs('A', [Command::AddToConference(starter(other))]),
        [
            "notify: A left",
            "fact: A InProgress",
            "fact: A is out",
            "fact: A is in and started it",
            "fact: conference Populated",
            "notify: conference Populated",
            "fact: conference InProgress",
            "notify: conference InProgress",
            "fact: A InProgress in conference",
            "media: leave A",
            "media: join A",
            "media: mixing true",
        ]
    );
    // What it has agreed with the first conference is over.
    assert_eq!(press(&mut story, "*1"), [""; 0]);
    assert_eq!(story.plane.participant_count(), 2);
}

#[test]
fn a_participant_cannot_join_where_it_is_and_the_script_goes_on() {
    let (mut story, conference) = asked();
    assert_eq!(
        story.runs(
            'A',
            [
                Command::AddToConference(starter(conference)),
                Command::SetTalk {
                    talk: false,
                    call: None
                },
            ]
        ),
        [
            "fact: A is in muted",
            "log: Warning: AddToConference: the call is in it already",
            "media: A talk false listen true",
        ]
    );
}

#[test]
fn a_participant_that_cannot_move_ends() {
    let (mut story, _) = asked();
    let nowhere = ConferenceId::from_bytes([9; 20]);
    let told = story.runs('A', [Command::AddToConference(starter(nowhere))]);
    assert_eq!(told[0], "fact: A Completed PerclProcessingError");
}

#[test]
fn what_needs_the_caller_alone_fails_in_a_conference() {
    let digits = GetDigits {
        action_url: "http://app/digits".into(),
        initial_timeout: secs(8),
        digit_timeout: secs(5),
        finish_on_key: None,
        min_digits: 0,
        max_digits: None,
        flush_buffer: false,
        prompts: Vec::new(),
        private: false,
    };
    let record = RecordUtterance {
        action_url: "http://app/recorded".into(),
        silence_timeout: None,
        finish_on_key: None,
        max_length: secs(60),
        play_beep: false,
        awaits_voice: false,
        private: false,
    };
    let transcribe = TranscribeUtterance {
        action_url: "http://app/text".into(),
        play_beep: false,
        save_recording: false,
        max_length: secs(60),
        silence_timeout: None,
        private_log: false,
        private_recording: false,
        prompts: Vec::new(),
    };
    for (command, name) in [
        (Command::GetDigits(digits), "GetDigits"),
        (Command::RecordUtterance(record), "RecordUtterance"),
        (
            Command::TranscribeUtterance(transcribe),
            "TranscribeUtterance",
        ),
    ] {
        let (mut story, _) = asked();
        let told = story.runs('A', [command]);
        assert_eq!(told[0], "fact: A Completed PerclProcessingError");
        let log = format!("log: Error: {name}: the call is in a conference");
        assert!(told.contains(&log), "{told:?}");
    }
}

#[test]
fn what_is_for_unanswered_calls_is_ignored_in_a_conference() {
    let (mut story, _) = asked();
    assert_eq!(
        story.runs(
            'A',
            [
                Command::Reject { reason: None },
                Command::PlayEarlyMedia {
                    file: "http://app/a.wav".into()
                },
                Command::SetTalk {
                    talk: false,
                    call: None
                },
            ]
        )[1..],
        [
            "log: Warning: Reject: the call is answered already",
            "log: Warning: PlayEarlyMedia: the call is answered already",
            "media: A talk false listen true",
        ]
    );
}

#[test]
fn a_webhook_without_a_script_ends_the_leg() {
    for (failure, reason) in [
        (
            ScriptFailure::Unreachable("no answer".into()),
            "WebhookFailed",
        ),
        (
            ScriptFailure::Invalid("not PerCL".into()),
            "WebhookInvalidResponse",
        ),
    ] {
        let (mut story, _) = asked();
        let told = story.is_answered('A', Err(failure));
        assert_eq!(told[0], format!("fact: A Completed {reason}"));
        assert_eq!(told[1], "notify: A left");
        assert_eq!(story.plane.participant_count(), 1);
    }
}

#[test]
fn redirects_in_a_conference_count_as_those_outside() {
    let (mut story, _) = asked();
    for _ in 0..256 {
        story.runs('A', [redirect()]);
    }
    assert_eq!(
        story.runs('A', [redirect()])[0],
        "fact: A Completed MaxRedirectsError"
    );
}

#[test]
fn who_is_removed_while_a_script_runs_hears_no_more_of_it() {
    let (mut story, conference) = asked();
    story.runs(
        'A',
        [
            say("hello"),
            Command::TerminateConference { conference: None },
        ],
    );
    let hello = story.prompted('A');
    let remove = Input::RemoveParticipant {
        account: ACCOUNT,
        conference,
        call: call('A'),
    };
    assert_eq!(
        story.happens(remove),
        [
            "fact: A InProgress",
            "fact: A is out",
            "media: stop prompt A",
            "media: leave A",
            "ask: A left",
        ]
    );
    let exchange = story.asked('A');
    assert_eq!(story.hears_it_all('A', hello), [""; 0]);
    let told = story.is_given('A', exchange, [say("good bye")]);
    assert_eq!(told, ["media: prompt A 'good bye' in en-US Times(1)"]);
}

#[test]
fn a_script_that_comes_after_its_conference_is_ignored() {
    let (mut story, conference) = asked();
    let exchange = story.asked('A');
    story.happens(ask_for(conference, RequestedStatus::Empty));
    assert_eq!(
        story.is_given(
            'A',
            exchange,
            [Command::TerminateConference { conference: None }]
        ),
        [""; 0]
    );

    let (mut story, conference) = asked();
    let exchange = story.asked('A');
    story.happens(ask_for(conference, RequestedStatus::Terminated));
    assert_eq!(story.is_given('A', exchange, [say("hello")]), [""; 0]);
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn a_pause_that_a_removal_has_ended_lets_nothing_run() {
    let (mut story, conference) = asked();
    story.runs(
        'A',
        [
            pause(secs(2)),
            Command::TerminateConference { conference: None },
        ],
    );
    story.happens(ask_for(conference, RequestedStatus::Empty));
    assert_eq!(story.passes(secs(10)), [""; 0]);
    assert_eq!(story.plane.conference_count(), 1);
}

#[test]
fn a_prompt_that_cannot_be_heard_in_a_conference_is_logged_and_the_script_goes_on() {
    let (mut story, _) = asked();
    story.runs(
        'A',
        [
            say("hello"),
            Command::SetTalk {
                talk: false,
                call: None,
            },
        ],
    );
    let prompt = story.prompted('A');
    assert_eq!(
        story.happens(Input::Media(MediaEvent::PromptFinished {
            call: call('A'),
            prompt,
            outcome: PromptOutcome::Failed("no voice".into()),
        })),
        [
            "fact: A is in muted",
            "log: Warning: a prompt was not heard: no voice",
            "media: A talk false listen true",
        ]
    );
}
