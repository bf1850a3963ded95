//! Commands that name another call, or a conference that the call is not in.

use tutti_model::{CallId, ConferenceId};

use super::story::*;
use crate::*;

/// A conference in progress with B and C, and A, who gets a script with `1` and goes on afterwards; D
/// has called too, and has no script yet.
fn together() -> (Story, ConferenceId) {
    let mut story = Story::begin();
    let conference = story.creates(quiet());
    story.rings('D');
    story.joins('B', starter(conference));
    story.joins('C', going_on(guest(conference)));
    let in_control = AddToConference {
        allow_call_control: true,
        call_control_sequence: Some("1".into()),
        call_control_url: Some("http://app/control".into()),
        ..going_on(guest(conference))
    };
    story.joins('A', in_control);
    story.presses('A', '1');
    (story, conference)
}

/// B has called, and is in a conference by itself; A has called, and has a script to come.
fn apart() -> (Story, ConferenceId) {
    let mut story = Story::begin();
    let conference = story.creates(quiet());
    story.joins('B', starter(conference));
    story.rings('A');
    (story, conference)
}

fn mute(who: CallId) -> Command {
    Command::SetTalk {
        talk: false,
        call: Some(who),
    }
}

fn deafen(who: CallId) -> Command {
    Command::SetListen {
        listen: false,
        call: Some(who),
    }
}

fn remove(who: CallId) -> Command {
    Command::RemoveFromConference { call: Some(who) }
}

fn end(who: CallId) -> Command {
    Command::Hangup {
        reason: None,
        call: Some(who),
    }
}

fn terminate(conference: ConferenceId) -> Command {
    Command::TerminateConference {
        conference: Some(conference),
    }
}

/// Somebody calls another account.
fn a_stranger_rings(story: &mut Story, who: char) {
    let Input::CallArrived {
        call,
        from,
        to,
        route,
        ..
    } = arrival(who, Route::Application(application()))
    else {
        panic!("that is how calls arrive");
    };
    story.accepts(Input::CallArrived {
        call,
        account: STRANGER,
        from,
        to,
        route,
    });
}

#[test]
fn a_script_mutes_and_deafens_another_participant_and_goes_on() {
    let (mut story, _) = together();
    assert_eq!(
        story.runs('A', [mute(call('B')), deafen(call('C')), mute(call('A'))]),
        [
            "fact: B is in and started it muted",
            "fact: C is in deafened",
            "fact: A is in muted",
            "media: B talk false listen true",
            "media: C talk true listen false",
            "media: A talk false listen true",
        ]
    );
}

#[test]
fn whoever_is_not_in_the_conference_is_warned_about_and_the_script_goes_on() {
    let nobody = CallId::from_bytes([0xff; 20]);
    for stranger in [call('D'), nobody] {
        let (mut story, _) = together();
        let script = [
            mute(stranger),
            deafen(stranger),
            remove(stranger),
            mute(call('B')),
        ];
        assert_eq!(
            story.runs('A', script),
            [
                "fact: B is in and started it muted".to_owned(),
                format!("log: Warning: SetTalk: {stranger} is not in a conference with the call"),
                format!("log: Warning: SetListen: {stranger} is not in a conference with the call"),
                format!(
                    "log: Warning: RemoveFromConference: {stranger} is not in a conference with the call"
                ),
                "media: B talk false listen true".to_owned(),
            ]
        );
    }
}

#[test]
fn a_call_outside_of_a_conference_changes_nobody_in_it() {
    let (mut story, _) = apart();
    let (b, script) = (
        call('B'),
        [mute(call('B')), remove(call('B')), say("hello")],
    );
    let told = story.runs('A', script);
    let warnings: Vec<_> = told.iter().filter(|told| told.starts_with("log")).collect();
    assert_eq!(
        warnings,
        [
            &format!("log: Warning: SetTalk: {b} is not in a conference with the call"),
            &format!(
                "log: Warning: RemoveFromConference: {b} is not in a conference with the call"
            ),
        ]
    );
    assert_eq!(
        told.last().unwrap(),
        "media: prompt A 'hello' in en-US Times(1)"
    );
    assert_eq!(story.plane.participant_count(), 1);
}

#[test]
fn a_script_removes_another_participant_and_goes_on() {
    let (mut story, _) = together();
    assert_eq!(
        story.runs('A', [remove(call('C')), say("two are left")]),
        [
            "fact: C InProgress",
            "fact: C is out",
            "media: leave C",
            "ask: C left",
            "media: prompt A 'two are left' in en-US Times(1)",
        ]
    );
    let prompt = story.prompted('A');
    story.hears_it_all('A', prompt);
    // Who has nowhere to go on ends.
    story.presses('A', '1');
    let told = story.runs('A', [remove(call('B'))]);
    assert_eq!(told[0], "fact: B Completed RemovedFromConference");
    assert_eq!(story.plane.participant_count(), 1);
}

#[test]
fn a_call_that_names_itself_names_nobody() {
    let (mut story, _) = together();
    let told = story.runs('A', [remove(call('A')), say("never heard")]);
    assert_eq!(told.last().unwrap(), "ask: A left");
    assert_eq!(story.plane.participant_count(), 2);

    let told = story.runs('A', [end(call('A')), say("never heard")]);
    assert_eq!(told[0], "fact: A Completed AppHangup");

    let mut story = Story::begin();
    let conference = story.creates(quiet());
    let itself = AddToConference {
        call: Some(call('A')),
        ..starter(conference)
    };
    story.joins('A', itself);
    assert_eq!(story.plane.participant_count(), 1);
}

#[test]
fn nobody_adds_another_call_to_a_conference() {
    let (mut story, conference) = apart();
    let another = AddToConference {
        call: Some(call('B')),
        ..starter(conference)
    };
    let told = story.runs('A', [Command::AddToConference(another)]);
    let b = call('B');
    let why = format!("log: Error: AddToConference: a call can add only itself, and not {b}");
    assert!(told.contains(&why), "{told:?}");
    assert!(told.contains(&"fact: A Completed PerclProcessingError".to_owned()));
    assert_eq!(story.plane.participant_count(), 1);
}

#[test]
fn a_script_hangs_another_participant_up_and_goes_on() {
    let (mut story, _) = together();
    let told = story.runs('A', [end(call('B')), say("B has left")]);
    assert_eq!(told[0], "fact: B Completed AppHangup");
    assert!(told.contains(&"media: prompt A 'B has left' in en-US Times(1)".to_owned()));
    assert_eq!(story.plane.participant_count(), 2);
}

#[test]
fn parents_and_children_hang_each_other_up() {
    let mut story = Story::begin();
    story.rings('A');
    story.places_next('B');
    story.runs('A', [Command::OutDial(out_dial('B'))]);
    story.confirms('A');
    // It rings there still.
    let told = story.runs('A', [end(call('B')), say("never mind")]);
    assert_eq!(told[0], "fact: B Canceled CallCanceled");
    assert_eq!(
        told.last().unwrap(),
        "media: prompt A 'never mind' in en-US Times(1)"
    );

    let mut story = Story::begin();
    story.rings('A');
    story.places_next('B');
    story.runs('A', [Command::OutDial(out_dial('B'))]);
    story.confirms('A');
    story.picks_up('B');
    let told = story.runs('B', [end(call('A')), say("hello")]);
    assert_eq!(told[0], "fact: A Completed AppHangup");
    assert!(told.contains(&"media: prompt B 'hello' in en-US Times(1)".to_owned()));
}

#[test]
fn nobody_hangs_up_a_call_that_is_none_of_its_business() {
    let nobody = CallId::from_bytes([0xff; 20]);
    for other in [call('D'), call('S'), nobody] {
        let (mut story, _) = together();
        let exchange = story.asked('A');
        a_stranger_rings(&mut story, 'S');
        let calls = story.plane.call_count();
        assert_eq!(
            story.is_given('A', exchange, [end(other)]),
            [format!(
                "log: Warning: Hangup: {other} is neither in a conference with the call, nor its parent or child"
            )]
        );
        assert_eq!(story.plane.call_count(), calls);
    }
}

#[test]
fn a_call_that_has_left_a_conference_terminates_it_and_ends() {
    let (mut story, conference) = together();
    story.runs('A', [Command::RemoveFromConference { call: None }]);
    let told = story.runs('A', [terminate(conference), say("never heard")]);
    assert_eq!(
        told.iter()
            .filter(|told| told.starts_with("fact: "))
            .filter(|told| told.contains("Completed") || told.contains("conference"))
            .collect::<Vec<_>>(),
        [
            "fact: B Completed ConferenceTerminated",
            "fact: C Completed ConferenceTerminated",
            "fact: conference Empty",
            "fact: conference Terminated",
            "fact: A Completed AppHangup",
        ]
    );
    assert_eq!(story.plane.conference_count(), 0);
}

#[test]
fn two_that_leave_a_conference_may_both_terminate_it() {
    let (mut story, conference) = together();
    story.runs('A', [remove(call('C')), remove(call('A'))]);
    let (a, c) = (story.asked('A'), story.asked('C'));
    story.is_given('A', a, [terminate(conference)]);
    assert_eq!(story.plane.conference_count(), 0);
    let told = story.is_given('C', c, [terminate(conference)]);
    assert_eq!(told[0], "fact: C Completed AppHangup");
    assert!(
        told.iter()
            .any(|told| told.starts_with("log: Warning: TerminateConference: ")),
        "{told:?}"
    );
}

#[test]
fn a_call_in_one_conference_terminates_another_and_stays() {
    let (mut story, _) = together();
    let exchange = story.asked('A');
    let other = story.creates(quiet());
    let told = story.is_given('A', exchange, [terminate(other), say("never heard")]);
    assert_eq!(told[0], "fact: conference Terminated");
    assert_eq!(story.plane.conference_count(), 1);
    assert_eq!(story.plane.participant_count(), 3);
    assert_eq!(
        story.presses('A', '1').last().unwrap(),
        "ask: A callControl 1"
    );
}

#[test]
fn nobody_terminates_the_conference_of_another_account_or_one_that_never_was() {
    let mut story = Story::begin();
    let reply = story.accepts(Input::CreateConference {
        account: STRANGER,
        options: quiet(),
    });
    let Reply::Conference(strange) = reply else {
        panic!("{reply:?}");
    };
    for other in [strange.id, ConferenceId::from_bytes([0xff; 20])] {
        story.rings('A');
        let told = story.runs('A', [terminate(other)]);
        assert!(told.contains(&"fact: A Completed PerclProcessingError".to_owned()));
        assert_eq!(story.plane.conference_count(), 1);
    }
}
