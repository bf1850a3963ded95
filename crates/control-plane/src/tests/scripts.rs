//! How PerCL runs.

use std::time::Duration;

use tutti_model::{ConferenceId, MediaEvent, PromptId, PromptOutcome, Repeat};

use super::story::*;
use crate::*;

fn ringing() -> Story {
    let mut story = Story::begin();
    story.rings('A');
    story
}

/// What is said of a `Reject` after the answer.
const IN_VAIN: &str = "log: Warning: Reject: the call is answered already";

fn reject() -> Command {
    Command::Reject { reason: None }
}

/// The end of an answered call, as its application's doing.
fn ended(reason: &str) -> [String; 4] {
    [
        format!("fact: A Completed {reason}"),
        format!("notify: A ended {reason} after 0 s"),
        "signal: A HangUp".to_owned(),
        "media: close A".to_owned(),
    ]
}

#[test]
fn the_first_command_answers_and_prompts_follow_one_another() {
    let mut story = ringing();
    assert_eq!(
        story.runs('A', [say("hello"), play("http://app/a.wav")]),
        [
            "fact: A InProgress",
            "signal: A Answer",
            "media: prompt A 'hello' in en-US Times(1)",
        ]
    );
    let hello = story.prompted('A');
    assert_eq!(
        story.hears_it_all('A', hello),
        ["media: prompt A http://app/a.wav Times(1)"]
    );
    let music = story.prompted('A');
    assert_eq!(story.hears_it_all('A', music), ended("AppHangup"));
}

#[test]
fn a_prompt_that_fails_is_logged_and_the_script_goes_on() {
    let mut story = ringing();
    story.runs('A', [play("http://app/missing.wav"), say("hello")]);
    let prompt = story.prompted('A');
    assert_eq!(
        story.happens(Input::Media(MediaEvent::PromptFinished {
            call: call('A'),
            prompt,
            outcome: PromptOutcome::Failed("404".into()),
        })),
        [
            "log: Warning: a prompt was not heard: 404",
            "media: prompt A 'hello' in en-US Times(1)",
        ]
    );
}

#[test]
fn the_end_of_an_earlier_prompt_is_ignored() {
    let mut story = ringing();
    story.runs('A', [say("one"), say("two")]);
    let one = story.prompted('A');
    story.hears_it_all('A', one);
    assert_eq!(story.hears_it_all('A', one), [] as [&str; 0]);
    assert_eq!(story.hears_it_all('A', PromptId(99)), [] as [&str; 0]);
    assert_eq!(story.plane.call_count(), 1);
}

#[test]
fn a_script_that_nobody_waits_for_is_ignored() {
    let mut story = ringing();
    let exchange = story.asked('A');
    let script = |exchange| Input::ScriptArrived {
        call: call('A'),
        exchange,
        outcome: Ok(Script {
            commands: vec![redirect()],
        }),
    };
    assert_eq!(story.happens(script(exchange + 1)), [] as [&str; 0]);
    assert_ne!(story.happens(script(exchange)), [] as [&str; 0]);
    assert_eq!(story.happens(script(exchange)), [] as [&str; 0]);
}

#[test]
fn saying_nothing_is_skipped() {
    let mut story = ringing();
    let told = story.runs('A', [say(""), say("hello")]);
    assert_eq!(told[2..], ["media: prompt A 'hello' in en-US Times(1)"]);
}

#[test]
fn a_pause_between_commands_delays_the_next() {
    let mut story = ringing();
    assert_eq!(
        story.runs('A', [say(""), pause(secs(3)), hang_up()]),
        ["fact: A InProgress", "signal: A Answer"]
    );
    assert_eq!(
        story.plane.next_deadline(),
        Some((START + secs(3), DeadlineReason::PauseOver))
    );
    assert_eq!(story.passes(Duration::from_millis(2_999)), [] as [&str; 0]);
    assert!(
        story
            .passes(Duration::from_millis(1))
            .contains(&"signal: A HangUp".to_owned())
    );
}

#[test]
fn a_pause_that_comes_first_lets_the_call_ring_on() {
    let mut story = ringing();
    assert_eq!(
        story.runs('A', [pause(secs(3)), say("hello")]),
        [] as [&str; 0]
    );
    assert_eq!(
        story.passes(secs(3)),
        [
            "fact: A InProgress",
            "signal: A Answer",
            "media: prompt A 'hello' in en-US Times(1)",
        ]
    );
}

#[test]
fn the_end_of_the_first_pause_answers_whatever_comes_next() {
    let mut story = ringing();
    story.runs('A', [pause(secs(3)), reject()]);
    assert_eq!(
        story.passes(secs(3)),
        [
            "fact: A InProgress",
            "fact: A Completed AppHangup",
            "notify: A ended AppHangup after 3 s",
            "signal: A Answer",
            IN_VAIN,
            "signal: A HangUp",
            "media: close A",
        ]
    );
}

#[test]
fn pauses_of_no_length_end_at_once() {
    let mut story = ringing();
    story.runs('A', [pause(secs(0)), pause(secs(0)), hang_up()]);
    assert!(
        story
            .passes(secs(0))
            .contains(&"signal: A HangUp".to_owned())
    );
}

#[test]
fn a_caller_who_gives_up_during_the_pause_is_not_answered() {
    let mut story = ringing();
    story.runs('A', [pause(secs(3)), say("hello")]);
    story.hangs_up('A');
    assert_eq!(story.passes(secs(60)), [] as [&str; 0]);
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn reject_refuses_a_call_only_as_its_very_first_command() {
    let mut story = ringing();
    assert_eq!(
        story.runs('A', [reject(), say("never heard")]),
        [
            "fact: A Canceled AppReject",
            "notify: A ended AppReject after 0 s",
            "signal: A Reject(AppReject)",
            "media: close A",
        ]
    );

    let mut story = ringing();
    story.runs('A', [say("hello"), reject(), say("still here")]);
    let hello = story.prompted('A');
    assert_eq!(
        story.hears_it_all('A', hello),
        [IN_VAIN, "media: prompt A 'still here' in en-US Times(1)"]
    );

    let mut story = ringing();
    story.runs('A', [redirect()]);
    let mut told = story.runs('A', [reject()]);
    assert!(told.contains(&IN_VAIN.to_owned()), "{told:?}");
    told.retain(|told| told != IN_VAIN);
    assert_eq!(told, ended("AppHangup"));
}

#[test]
fn an_empty_script_ends_the_call() {
    let mut story = ringing();
    assert_eq!(
        story.runs('A', []),
        [
            "fact: A Failed AppNoPercl",
            "notify: A ended AppNoPercl after 0 s",
            "signal: A Reject(AppNoPercl)",
            "media: close A",
        ]
    );

    let mut story = ringing();
    story.runs('A', [redirect()]);
    assert_eq!(story.runs('A', []), ended("AppNoPercl"));
}

#[test]
fn a_webhook_without_a_script_ends_the_call_and_says_whose_fault_it_is() {
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
        let mut story = ringing();
        let told = story.is_answered('A', Err(failure));
        assert_eq!(told[0], format!("fact: A Failed {reason}"));
        assert!(told[2].starts_with("log: Error: no"), "{}", told[2]);
        assert_eq!(told[3], format!("signal: A Reject({reason})"));
    }
}

#[test]
fn hanging_up_answers_first_and_keeps_its_reason() {
    let mut story = ringing();
    let told = story.runs(
        'A',
        [
            Command::Hangup {
                reason: Some("closed today".into()),
                call: None,
            },
            say("never heard"),
        ],
    );
    assert_eq!(
        told,
        [
            "fact: A InProgress",
            "fact: A Completed AppHangup",
            "notify: A ended AppHangup after 0 s",
            "signal: A Answer",
            "log: Info: Hangup: closed today",
            "signal: A HangUp",
            "media: close A",
        ]
    );
}

#[test]
fn a_redirect_asks_for_the_next_script_and_forgets_the_rest_of_this() {
    let mut story = ringing();
    assert_eq!(
        story.runs('A', [redirect(), say("never heard")]),
        [
            "fact: A InProgress",
            "signal: A Answer",
            "ask: A redirect instead of A inboundCall"
        ]
    );
    assert_eq!(story.runs('A', [hang_up()]), ended("AppHangup"));
}

#[test]
fn a_redirect_that_comes_first_repeats_what_was_asked_and_one_that_comes_later_does_not() {
    let mut story = ringing();
    story.runs('A', [redirect()]);
    let Some(Effect::Ask(exchange)) = story.effects.last() else {
        panic!("{:?}", story.effects);
    };
    let Webhook::Redirect { call, original } = &exchange.webhook else {
        panic!("{exchange:?}");
    };
    assert_eq!(call.status, CallStatus::InProgress);
    let Some(Webhook::InboundCall { call }) = original.as_deref() else {
        panic!("{original:?}");
    };
    assert_eq!(call.status, CallStatus::Ringing);

    // A redirect of a redirect repeats the latest, and not what that has repeated.
    assert_eq!(
        story.runs('A', [redirect()]),
        ["ask: A redirect instead of A redirect"]
    );
    assert_eq!(story.runs('A', [say("hello"), redirect()]).len(), 1);
    let hello = story.prompted('A');
    assert_eq!(story.hears_it_all('A', hello), ["ask: A redirect"]);
}

#[test]
fn why_a_private_prompt_is_not_heard_is_not_logged() {
    for command in [
        Command::Say(Say {
            private: true,
            ..spoken("your PIN is 1234")
        }),
        Command::Play(Play {
            file: "http://app/secret.wav".into(),
            repeat: Repeat::Times(1),
            conference: None,
            private: true,
        }),
    ] {
        let mut story = ringing();
        story.runs('A', [command, say("hello")]);
        let prompt = story.prompted('A');
        let told = story.happens(Input::Media(MediaEvent::PromptFinished {
            call: call('A'),
            prompt,
            outcome: PromptOutcome::Failed("http://app/secret.wav: 404".into()),
        }));
        assert_eq!(told[0], "log: Warning: a prompt was not heard");
    }
}

#[test]
fn a_prompt_for_a_conference_needs_one() {
    for command in [
        Command::Say(Say {
            conference: Some(ConferenceId::from_bytes([1; 20])),
            ..spoken("hello")
        }),
        Command::Play(Play {
            file: "http://app/a.wav".into(),
            repeat: Repeat::Times(1),
            conference: Some(ConferenceId::from_bytes([1; 20])),
            private: false,
        }),
    ] {
        let mut story = ringing();
        let told = story.runs('A', [command]);
        assert_eq!(told[1], "fact: A Completed PerclProcessingError");
        assert!(told[4].ends_with("the call is not in a conference"));
    }
}

#[test]
fn what_a_participant_may_do_cannot_be_changed_outside_a_conference_and_the_script_goes_on() {
    let mut story = ringing();
    let told = story.runs(
        'A',
        [
            Command::SetTalk {
                talk: false,
                call: None,
            },
            Command::SetListen {
                listen: false,
                call: None,
            },
            Command::SetDtmfPassThrough {
                dtmf_pass_through: false,
            },
            say("still here"),
        ],
    );
    assert_eq!(
        told,
        [
            "fact: A InProgress",
            "signal: A Answer",
            "log: Warning: SetTalk: the call is not in a conference",
            "log: Warning: SetListen: the call is not in a conference",
            "log: Warning: SetDTMFPassThrough: the call is not in a conference",
            "media: prompt A 'still here' in en-US Times(1)",
        ]
    );
}

fn early(file: &str) -> Command {
    Command::PlayEarlyMedia { file: file.into() }
}

#[test]
fn early_media_is_heard_before_the_answer_which_the_next_command_gives() {
    let mut story = ringing();
    assert_eq!(
        story.runs('A', [early("a"), early("b"), say("hello")]),
        ["signal: A EarlyMedia", "media: prompt A a Times(1)"]
    );
    let a = story.prompted('A');
    assert_eq!(story.hears_it_all('A', a), ["media: prompt A b Times(1)"]);
    let b = story.prompted('A');
    assert_eq!(
        story.hears_it_all('A', b),
        [
            "fact: A InProgress",
            "signal: A Answer",
            "media: prompt A 'hello' in en-US Times(1)",
        ]
    );
}

#[test]
fn a_call_can_be_rejected_after_early_media_and_rings_on_in_a_pause() {
    let mut story = ringing();
    story.runs('A', [early("a"), reject()]);
    let a = story.prompted('A');
    assert_eq!(
        story.hears_it_all('A', a),
        [
            "fact: A Canceled AppReject",
            "notify: A ended AppReject after 0 s",
            "signal: A Reject(AppReject)",
            "media: close A",
        ]
    );

    let mut story = ringing();
    story.runs('A', [early("a"), pause(secs(2)), hang_up()]);
    let a = story.prompted('A');
    assert_eq!(story.hears_it_all('A', a), [""; 0]);
    let told = story.passes(secs(2));
    assert_eq!(
        told[..2],
        ["fact: A InProgress", "fact: A Completed AppHangup"]
    );

    // Nothing but early media: nobody has answered.
    let mut story = ringing();
    story.runs('A', [early("a")]);
    let a = story.prompted('A');
    assert_eq!(story.hears_it_all('A', a)[2], "signal: A Reject(AppHangup)");
}

#[test]
fn early_media_after_the_answer_is_ignored() {
    let mut story = ringing();
    assert_eq!(
        story.runs('A', [say(""), early("a"), say("hello")])[2..],
        [
            "log: Warning: PlayEarlyMedia: the call is answered already",
            "media: prompt A 'hello' in en-US Times(1)",
        ]
    );
}

fn keys(text: &str) -> Command {
    let digits = text.chars().map(|key| match key {
        ',' => Keystroke::Wait(millis(500)),
        key => Keystroke::Press(digit(key)),
    });
    Command::SendDigits {
        digits: digits.collect(),
        private: false,
    }
}

#[test]
fn keys_are_pressed_one_after_another_and_then_the_script_goes_on() {
    let mut story = ringing();
    assert_eq!(
        story.runs('A', [keys("12,#"), say("done")])[2..],
        ["media: press 1 towards A"]
    );
    assert_eq!(story.passes(millis(99)), [""; 0]);
    assert_eq!(story.passes(millis(1)), ["media: press 2 towards A"]);
    assert_eq!(story.passes(millis(599)), [""; 0]);
    assert_eq!(story.passes(millis(1)), ["media: press # towards A"]);
    assert_eq!(story.passes(millis(99)), [""; 0]);
    assert_eq!(
        story.passes(millis(1)),
        ["media: prompt A 'done' in en-US Times(1)"]
    );
}

#[test]
fn a_call_that_ends_while_keys_are_pressed_presses_no_more() {
    let mut story = ringing();
    story.runs('A', [keys("12"), say("done")]);
    story.confirms('A');
    story.hangs_up('A');
    assert_eq!(story.plane.next_deadline(), None);

    let mut story = ringing();
    let told = story.runs('A', [keys(""), say("done")]);
    assert_eq!(told[2..], ["media: prompt A 'done' in en-US Times(1)"]);
}

#[test]
fn a_call_follows_256_redirects_and_no_more() {
    let mut story = ringing();
    for _ in 0..256 {
        story.runs('A', [redirect()]);
    }
    let told = story.runs('A', [redirect()]);
    assert_eq!(told[0], "fact: A Completed MaxRedirectsError");
    assert_eq!(
        told[2],
        "log: Error: Redirect: the call has followed as many as it may"
    );
}

#[test]
fn a_script_creates_a_conference_and_goes_on_outside_it() {
    let mut story = ringing();
    let create = Command::CreateConference(CreateConference {
        action_url: "http://app/created".into(),
        alias: Some("stand-up".into()),
        play_beep: PlayBeep::EntryOnly,
        record: true,
        wait_url: None,
        status_callback_url: Some("http://app/conference".into()),
    });
    assert_eq!(
        story.runs('A', [create, say("never heard")]),
        [
            "fact: A InProgress",
            "fact: conference Empty",
            "notify: conference Empty",
            "signal: A Answer",
            "media: open conference",
            "ask: A createConference",
        ]
    );
    let Some(Effect::Commit(Fact::Conference(record))) = story.effects.get(1) else {
        panic!("{:?}", story.effects);
    };
    let conference = record.id;
    assert_eq!(record.action_url.as_deref(), Some("http://app/created"));
    assert_eq!(record.alias.as_deref(), Some("stand-up"));
    assert_eq!(record.play_beep, PlayBeep::EntryOnly);
    assert!(record.record);

    let told = story.runs('A', [Command::AddToConference(starter(conference))]);
    assert!(told.contains(&"media: start track A".to_owned()));
}

#[test]
fn a_script_that_may_not_create_a_conference_ends_its_call() {
    let mut story = Story::with(Limits {
        conferences_per_account: 0,
        ..Limits::default()
    });
    story.rings('A');
    let create = Command::CreateConference(CreateConference {
        action_url: "http://app/created".into(),
        alias: None,
        play_beep: PlayBeep::Always,
        record: false,
        wait_url: None,
        status_callback_url: None,
    });
    let told = story.runs('A', [create]);
    assert_eq!(told[1], "fact: A Completed PerclProcessingError");
    assert_eq!(
        told[4],
        "log: Error: CreateConference: the account has as many conferences as it may have"
    );
}

#[test]
fn a_call_that_cannot_join_is_hung_up_and_the_log_says_why() {
    let mut story = Story::with(Limits {
        participants_per_conference: 1,
        ..Limits::default()
    });
    let full = story.creates(quiet());
    story.joins('B', starter(full));
    let over = story.creates(quiet());
    story.accepts(ask_for(over, RequestedStatus::Terminated));
    let nowhere = ConferenceId::from_bytes([9; 20]);
    for (conference, why) in [
        (full, "the conference is full"),
        (over, "the conference has been terminated"),
        (nowhere, "there is no such conference"),
    ] {
        story.rings('A');
        let told = story.runs(
            'A',
            [
                Command::AddToConference(starter(conference)),
                say("never heard"),
            ],
        );
        assert_eq!(told[1], "fact: A Completed PerclProcessingError");
        assert_eq!(told[4], format!("log: Error: AddToConference: {why}"));
        assert_eq!(told[5..], ["signal: A HangUp", "media: close A"]);
    }
}

#[test]
fn commands_of_participants_fail_outside_a_conference() {
    for command in [
        Command::RemoveFromConference { call: None },
        Command::TerminateConference { conference: None },
    ] {
        let mut story = ringing();
        let told = story.runs('A', [command, say("never heard")]);
        assert_eq!(told[1], "fact: A Completed PerclProcessingError");
        assert!(told[4].ends_with("the call is not in a conference"));
    }
}

#[test]
fn a_command_that_cannot_be_run_ends_the_call_without_answering_it() {
    let unsupported = || Command::Unsupported {
        name: "Enqueue".into(),
    };
    let mut story = ringing();
    assert_eq!(
        story.runs('A', [unsupported()]),
        [
            "fact: A Failed PerclProcessingError",
            "notify: A ended PerclProcessingError after 0 s",
            "log: Error: Enqueue: this command cannot be run here",
            "signal: A Reject(PerclProcessingError)",
            "media: close A",
        ]
    );

    let mut story = ringing();
    story.runs('A', [say("hello"), unsupported()]);
    let hello = story.prompted('A');
    let told = story.hears_it_all('A', hello);
    assert_eq!(told[0], "fact: A Completed PerclProcessingError");
}
