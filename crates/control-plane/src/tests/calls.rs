//! How calls arrive and how they end.

use std::time::Duration;

use tutti_model::{CloseReason, ConferenceId, MediaEvent, NumberId, RequestId};

use super::story::*;
use crate::*;

fn update(who: char, change: CallChange) -> Input {
    Input::UpdateCall {
        account: ACCOUNT,
        call: call(who),
        change,
    }
}

#[test]
fn a_call_for_an_application_asks_it_and_rings_on() {
    let mut story = Story::begin();
    assert_eq!(story.rings('A'), ["fact: A Ringing", "ask: A inboundCall"]);
    let Some(Effect::Ask(exchange)) = story.effects.last() else {
        panic!("{:?}", story.effects);
    };
    let context = CallContext {
        account: ACCOUNT,
        call: call('A'),
        parent: None,
        from: "+1A".into(),
        to: "+18005551000".into(),
        status: CallStatus::Ringing,
        direction: Direction::Inbound,
        conference: None,
        queue: None,
    };
    assert_eq!(exchange.url, "http://app/voice");
    assert_eq!(
        exchange.fallback_url.as_deref(),
        Some("http://app/fallback")
    );
    assert_eq!(exchange.webhook, Webhook::InboundCall { call: context });
}

#[test]
fn a_call_that_nobody_answers_for_is_rejected_and_says_why() {
    let mut story = Story::begin();
    let without_url = ApplicationRoute {
        voice_url: None,
        ..application()
    };
    assert_eq!(
        story.happens(arrival('A', Route::Application(without_url.clone()))),
        [
            "fact: A Ringing",
            "fact: A Failed ConfigErrorNoVoiceUrl",
            "notify: A ended ConfigErrorNoVoiceUrl after 0 s",
            "log: Error: the application has no voiceUrl",
            "signal: A Reject(ConfigErrorNoVoiceUrl)",
            "media: close A",
        ]
    );
    let without_application = ApplicationRoute {
        number: NumberId::from_bytes([1; 20]),
        application: None,
        status_callback_url: None,
        ..without_url
    };
    assert_eq!(
        story.happens(arrival('B', Route::Application(without_application))),
        [
            "fact: B Ringing",
            "fact: B Failed ConfigErrorNoApplication",
            "log: Error: the number has no application",
            "signal: B Reject(ConfigErrorNoApplication)",
            "media: close B",
        ]
    );
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn a_direct_join_is_answered_and_starts_the_conference() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    assert_eq!(
        story.dials('A', conference),
        [
            "fact: A Ringing",
            "fact: A InProgress",
            "fact: A is in and started it",
            "fact: conference Populated",
            "notify: conference Populated",
            "fact: conference InProgress",
            "notify: conference InProgress",
            "fact: A InProgress in conference",
            "signal: A Answer",
            "media: join A",
            "media: mixing true",
            "media: beep Entry",
        ]
    );
}

#[test]
fn a_direct_join_belongs_to_the_account_of_its_conference() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.accepts(Input::CallArrived {
        call: call('A'),
        account: STRANGER,
        from: "+1A".into(),
        to: conference.to_string(),
        route: Route::Conference(conference),
    });
    let accounts = story.effects.iter().filter_map(|effect| match effect {
        Effect::Commit(Fact::Call(record)) => Some(record.account),
        _ => None,
    });
    assert!(accounts.eq([ACCOUNT; 3]));
}

#[test]
fn a_call_arrives_once() {
    let mut story = Story::begin();
    story.rings('A');
    assert_eq!(story.rings('A'), [] as [&str; 0]);
}

#[test]
fn a_draining_bridge_takes_no_new_calls_and_keeps_the_old_ones() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.rings('A');
    let exchange = story.asked('A');
    story.plane.begin_drain();
    assert!(story.plane.is_draining());
    let late = arrival('B', Route::Conference(conference));
    assert_eq!(story.refuses(late), Refusal::Draining);
    let told = story.happens(Input::ScriptArrived {
        call: call('A'),
        exchange,
        outcome: Ok(Script {
            commands: vec![Command::AddToConference(starter(conference))],
        }),
    });
    assert!(told.contains(&"media: join A".to_owned()));
}

#[test]
fn a_caller_who_gives_up_before_the_answer_cancels_the_call() {
    let mut story = Story::begin();
    story.rings('A');
    assert_eq!(
        story.happens(Input::CallGone {
            call: call('A'),
            reason: CloseReason::CallCanceled,
        }),
        [
            "fact: A Canceled CallCanceled",
            "notify: A ended CallCanceled after 0 s",
            "media: close A",
        ]
    );
}

#[test]
fn a_call_lasts_from_its_arrival_and_a_second_that_has_begun_counts() {
    let mut story = Story::begin();
    story.rings('A');
    story.now = START + secs(2);
    story.runs('A', [say("hello")]);
    story.confirms('A');
    story.now = START + Duration::from_millis(10_001);
    assert!(
        story
            .hangs_up('A')
            .contains(&"notify: A ended FarEndHangup after 11 s".to_owned())
    );
    let Some(Effect::Commit(Fact::Call(record))) = story.effects.first() else {
        panic!("{:?}", story.effects);
    };
    assert_eq!(record.started, Some(START));
    assert_eq!(record.connected, Some(START + secs(2)));
    assert_eq!(record.ended, Some(START + Duration::from_millis(10_001)));
    assert_eq!(record.revision, 3);
}

#[test]
fn an_application_hangs_up_an_answered_call() {
    for change in [CallChange::Completed, CallChange::Canceled] {
        let mut story = Story::begin();
        story.rings('A');
        story.runs('A', [say("hello")]);
        assert_eq!(
            story.happens(update('A', change)),
            [
                "fact: A Completed AppHangup",
                "notify: A ended AppHangup after 0 s",
                "signal: A HangUp",
                "media: close A",
            ]
        );
        assert_eq!(story.refuses(update('A', change)), Refusal::NoSuchCall);
    }
}

#[test]
fn an_application_gives_up_a_ringing_call() {
    for change in [CallChange::Completed, CallChange::Canceled] {
        let mut story = Story::begin();
        story.rings('A');
        assert_eq!(
            story.happens(update('A', change)),
            [
                "fact: A Canceled CallCanceled",
                "notify: A ended CallCanceled after 0 s",
                "signal: A Reject(CallCanceled)",
                "media: close A",
            ]
        );
    }
}

#[test]
fn an_account_cannot_end_a_strangers_call() {
    let mut story = Story::begin();
    story.rings('A');
    let request = Input::UpdateCall {
        account: STRANGER,
        call: call('A'),
        change: CallChange::Completed,
    };
    assert_eq!(story.refuses(request), Refusal::NoSuchCall);
}

#[test]
fn a_silent_leg_is_hung_up() {
    let mut story = Story::begin();
    let conference = story.creates(quiet());
    story.joins('A', starter(conference));
    let told = story.happens(Input::Media(MediaEvent::LegSilent { call: call('A') }));
    assert_eq!(
        told,
        [
            "fact: A Completed FarEndHangup",
            "notify: A ended FarEndHangup after 0 s",
            "fact: A is out",
            "fact: conference Empty",
            "notify: conference Empty",
            "media: leave A",
            "media: mixing false",
            "signal: A HangUp",
            "media: close A",
        ]
    );
}

#[test]
fn an_answer_that_nobody_confirms_ends_the_call() {
    let mut story = Story::begin();
    story.rings('A');
    story.runs('A', [say("hello")]);
    assert_eq!(
        story.plane.next_deadline(),
        Some((START + secs(32), DeadlineReason::AwaitingConfirmation))
    );
    assert_eq!(
        story.passes(secs(32)),
        [
            "fact: A Completed FarEndHangup",
            "notify: A ended FarEndHangup after 32 s",
            "signal: A HangUp",
            "media: close A",
        ]
    );
}

#[test]
fn a_confirmed_call_lasts_until_its_longest_duration() {
    let mut story = Story::begin();
    story.rings('A');
    story.runs('A', [say("hello")]);
    story.confirms('A');
    assert_eq!(story.passes(secs(24 * 60 * 60 - 1)), [] as [&str; 0]);
    assert_eq!(
        story.plane.next_deadline(),
        Some((START + secs(24 * 60 * 60), DeadlineReason::MaxDuration))
    );
    assert!(
        story
            .passes(secs(1))
            .contains(&"notify: A ended MaxDuration after 86400 s".to_owned())
    );
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn what_is_heard_of_an_unknown_call_is_ignored() {
    let mut story = Story::begin();
    assert_eq!(story.hangs_up('A'), [] as [&str; 0]);
    story.confirms('A');
    for event in [
        MediaEvent::LegSilent { call: call('A') },
        MediaEvent::DigitPressed {
            call: call('A'),
            digit: tutti_model::Digit::from_char('1').unwrap(),
        },
        MediaEvent::MusicFailed {
            conference: ConferenceId::from_bytes([9; 20]),
            reason: "404".into(),
        },
    ] {
        assert_eq!(story.happens(Input::Media(event)), [] as [&str; 0]);
    }
}

#[test]
fn one_request_names_everything_that_it_causes() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    let creation = requests(&story);
    story.rings('A');
    let arrival = requests(&story);
    story.runs(
        'A',
        [Command::AddToConference(going_on(starter(conference)))],
    );
    assert_eq!(
        requests(&story),
        [arrival[0]; 2],
        "populated and inProgress"
    );
    story.accepts(ask_for(conference, RequestedStatus::Empty));
    let emptying = requests(&story);
    assert_eq!(emptying.len(), 2, "empty, and the question where to go on");
    assert_eq!(emptying[0], emptying[1]);
    assert_ne!(creation[0], arrival[0]);
    assert_ne!(emptying[0], arrival[0]);
}

#[test]
fn a_request_that_has_a_name_already_gives_it_to_everything_that_it_causes() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.rings('A');
    story.runs(
        'A',
        [Command::AddToConference(going_on(starter(conference)))],
    );
    let name = RequestId::from_bytes([0x77; 20]);
    let input = ask_for(conference, RequestedStatus::Empty);
    story.effects.clear();
    story
        .plane
        .handle_as(name, story.now, input, &mut story.effects)
        .unwrap();
    assert_eq!(requests(&story), [name; 2]);
}

#[test]
fn a_call_that_ends_by_itself_goes_back_to_its_arrival() {
    let silent = |story: &mut Story| {
        story.happens(Input::Media(MediaEvent::LegSilent { call: call('A') }));
    };
    let unconfirmed = |story: &mut Story| {
        story.passes(secs(32));
    };
    let gone = |story: &mut Story| {
        story.hangs_up('A');
    };
    for end in [silent, unconfirmed, gone] {
        let mut story = Story::begin();
        story.rings('A');
        let arrival = requests(&story);
        story.runs('A', [say("hello")]);
        end(&mut story);
        assert_eq!(requests(&story), arrival);
    }
}

fn requests(story: &Story) -> Vec<RequestId> {
    story
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Notify(notification) => Some(notification.request),
            Effect::Ask(exchange) => Some(exchange.request),
            _ => None,
        })
        .collect()
}
