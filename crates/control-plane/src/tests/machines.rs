//! What follows when a machine picks up, or a person.

use std::time::Duration;

use tutti_model::{Digit, MediaEvent};

use super::story::*;
use crate::*;

const RING: [&str; 2] = ["fact: B Queued", "dial: B from +18005551000 to +44B"];

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A call that is placed and picked up; what that leads to.
fn picked_up(story: &mut Story, if_machine: IfMachine) -> Vec<String> {
    let call = NewCall {
        if_machine: Some(if_machine),
        ..call_to('B')
    };
    assert_eq!(story.places('B', call), RING);
    story.picks_up('B')
}

fn redirect() -> IfMachine {
    IfMachine::Redirect {
        url: "http://app/machine".into(),
    }
}

/// A machine recites until it is known to be one.
fn recites(story: &mut Story) -> Vec<String> {
    story.now = story.now + ms(500);
    assert_eq!(story.speaks('B', true), [] as [&str; 0]);
    story.passes(ms(2_400))
}

#[test]
fn a_machine_is_hung_up_on_where_that_was_asked() {
    let mut story = Story::begin();
    assert_eq!(
        picked_up(&mut story, IfMachine::HangUp),
        [
            "fact: B InProgress",
            "media: watch B true",
            "ask: B outDialApiConnect InProgress",
        ]
    );
    assert_eq!(
        recites(&mut story),
        [
            "fact: B InProgress",
            "fact: B Completed MachineDetected",
            "notify: B ended MachineDetected after 3 s",
            "media: watch B false",
            "signal: B HangUp",
            "media: close B",
        ]
    );
    let answered_by = story.effects.iter().filter_map(|effect| match effect {
        Effect::Commit(Fact::Call(record)) => Some(record.answered_by),
        _ => None,
    });
    assert!(answered_by.eq([Some(AnsweredBy::Machine); 2]));
    assert_eq!(story.plane.next_deadline(), None);
}

#[test]
fn a_person_goes_on_undisturbed() {
    let mut story = Story::begin();
    picked_up(&mut story, IfMachine::HangUp);
    story.runs('B', [say("hello")]);
    story.now = story.now + ms(400);
    assert_eq!(story.speaks('B', true), [] as [&str; 0]);
    story.now = story.now + ms(500);
    assert_eq!(story.speaks('B', false), [] as [&str; 0]);
    assert_eq!(
        story.passes(ms(800)),
        ["fact: B InProgress", "media: watch B false"]
    );
    let Some(Effect::Commit(Fact::Call(record))) = story.effects.first() else {
        panic!("{:?}", story.effects);
    };
    assert_eq!(record.answered_by, Some(AnsweredBy::Human));
    // Whatever is said from now on is said to somebody.
    assert_eq!(story.speaks('B', true), [] as [&str; 0]);
    assert_eq!(story.passes(secs(10)), [] as [&str; 0]);
}

#[test]
fn whoever_says_nothing_is_left_alone_and_not_known() {
    let mut story = Story::begin();
    picked_up(&mut story, IfMachine::HangUp);
    assert_eq!(
        story.passes(ms(2_500)),
        [
            "media: watch B false",
            "log: Info: it is not known whether a person or a machine has picked up",
        ]
    );
    assert_eq!(story.passes(secs(10)), [] as [&str; 0]);
}

#[test]
fn nobody_listens_where_it_does_not_matter_who_picks_up() {
    let mut story = Story::begin();
    story.places('B', call_to('B'));
    assert_eq!(
        story.picks_up('B'),
        ["fact: B InProgress", "ask: B outDialApiConnect InProgress"]
    );
    assert_eq!(recites(&mut story), [] as [&str; 0]);
}

#[test]
fn a_machine_that_is_redirected_stops_what_it_runs() {
    let mut story = Story::begin();
    picked_up(&mut story, redirect());
    story.runs('B', [say("hello"), say("there")]);
    let prompt = story.prompted('B');
    assert_eq!(
        recites(&mut story),
        [
            "fact: B InProgress",
            "media: watch B false",
            "media: stop prompt B",
            "ask: B machineDetected AnsweringMachine",
        ]
    );
    let exchange = story.asked('B');
    assert_eq!(story.hears_it_all('B', prompt), [] as [&str; 0]);
    let outcome = Ok(Script {
        commands: vec![say("call us back")],
    });
    let told = story.happens(Input::ScriptArrived {
        call: call('B'),
        exchange,
        outcome,
    });
    assert_eq!(told, ["media: prompt B 'call us back' in en-US Times(1)"]);
}

#[test]
fn a_machine_that_is_redirected_waits_for_no_earlier_script() {
    let mut story = Story::begin();
    picked_up(&mut story, redirect());
    let stale = story.asked('B');
    recites(&mut story);
    let outcome = Ok(Script {
        commands: vec![say("hello")],
    });
    let late = Input::ScriptArrived {
        call: call('B'),
        exchange: stale,
        outcome,
    };
    assert_eq!(story.happens(late), [] as [&str; 0]);
}

#[test]
fn a_machine_that_is_redirected_leaves_its_conference_which_is_told_and_not_asked() {
    let mut story = Story::begin();
    let conference = story.creates(quiet());
    story.joins('A', starter(conference));
    picked_up(&mut story, redirect());
    story.runs(
        'B',
        [Command::AddToConference(going_on(starter(conference)))],
    );
    assert_eq!(
        recites(&mut story),
        [
            "fact: B InProgress in conference",
            "notify: B left",
            "fact: B InProgress",
            "fact: B is out",
            "media: watch B false",
            "media: leave B",
            "ask: B machineDetected AnsweringMachine",
        ]
    );
    assert_eq!(story.plane.participant_count(), 1);
    // It cannot come back by itself.
    story.hangs_up('B');
    assert_eq!(story.plane.participant_count(), 1);
}

/// Somebody who is called joins a conference at once.
fn joined(story: &mut Story) {
    let conference = story.creates(quiet());
    picked_up(story, IfMachine::HangUp);
    story.runs(
        'B',
        [Command::AddToConference(going_on(starter(conference)))],
    );
}

#[test]
fn a_person_in_a_conference_is_known_by_the_voice_and_goes_on() {
    let mut story = Story::begin();
    joined(&mut story);
    story.now = story.now + ms(400);
    assert_eq!(story.speaks('B', true), [] as [&str; 0]);
    story.now = story.now + ms(500);
    assert_eq!(story.speaks('B', false), [] as [&str; 0]);
    assert_eq!(
        story.passes(ms(800)),
        ["fact: B InProgress in conference", "media: watch B false"]
    );
}

#[test]
fn who_speaks_in_a_conference_is_told_too_slowly_to_tell_a_machine_from_a_person() {
    let mut story = Story::begin();
    joined(&mut story);
    let speaking = |speaking| {
        Input::Media(MediaEvent::Speaking {
            call: call('B'),
            speaking,
        })
    };
    // A greeting of 500 ms, as those who look on see it.
    story.now = story.now + ms(600);
    assert_eq!(story.happens(speaking(true)), [] as [&str; 0]);
    story.now = story.now + ms(1_300);
    assert_eq!(story.happens(speaking(false)), [] as [&str; 0]);
    assert_eq!(
        story.passes(secs(10)),
        [
            "media: watch B false",
            "log: Info: it is not known whether a person or a machine has picked up",
        ]
    );
}

#[test]
fn a_machine_that_is_redirected_leaves_its_queue() {
    let mut story = Story::begin();
    picked_up(&mut story, redirect());
    let queue = tutti_model::QueueId::from_bytes([0x99; 20]);
    story.runs(
        'B',
        [Command::Enqueue(Enqueue {
            queue,
            wait_url: "http://app/wait".into(),
            action_url: "http://app/dequeued".into(),
            notification_url: Some("http://app/queue".into()),
        })],
    );
    assert_eq!(
        recites(&mut story),
        [
            "fact: B InProgress",
            "fact: queue of 0, 1 taken out after 2.9s",
            "fact: B InProgress",
            "notify: B removeFromQueueNotification Dequeued after 2.9s",
            "media: watch B false",
            "ask: B machineDetected AnsweringMachine",
        ]
    );
    // Its script ends it, as that of any call does.
    let told = story.runs('B', [say("")]);
    assert_eq!(told[0], "fact: B Completed AppHangup");
}

#[test]
fn a_machine_that_is_redirected_while_parked_is_parked_no_more() {
    let mut story = Story::begin();
    picked_up(&mut story, redirect());
    story.runs(
        'B',
        [Command::Park(Park {
            wait_url: "http://app/wait".into(),
            action_url: "http://app/unparked".into(),
            notification_url: None,
        })],
    );
    story.runs('B', []);
    let told = recites(&mut story);
    assert_eq!(
        told.last().unwrap(),
        "ask: B machineDetected AnsweringMachine"
    );
    let told = story.runs('B', []);
    assert_eq!(told[0], "fact: B Completed AppNoPercl");
}

#[test]
fn a_machine_is_told_of_as_connected_once_even_before_its_keys_are_pressed() {
    let mut story = Story::begin();
    let key = Keystroke::Press(Digit::from_char('1').unwrap());
    let call = NewCall {
        if_machine: Some(redirect()),
        send_digits: vec![Keystroke::Wait(secs(10)), key],
        ..call_to('B')
    };
    story.places('B', call);
    story.picks_up('B');
    assert_eq!(
        recites(&mut story),
        [
            "fact: B InProgress",
            "notify: B outDialApiConnect InProgress",
            "media: watch B false",
            "ask: B machineDetected AnsweringMachine",
        ]
    );
    // Its keys are pressed no more.
    assert_eq!(story.passes(secs(20)), [] as [&str; 0]);
}

#[test]
fn a_call_that_ends_before_it_is_known_leaves_nothing() {
    let mut story = Story::begin();
    picked_up(&mut story, redirect());
    story.speaks('B', true);
    story.hangs_up('B');
    assert_eq!(story.plane.next_deadline(), None);
    assert_eq!(story.speaks('B', false), [] as [&str; 0]);
}
