//! What participants may do, and how they are removed.

use tutti_model::ConferenceId;

use super::story::*;
use crate::*;

fn update(conference: ConferenceId, who: char, change: ParticipantChange) -> Input {
    Input::UpdateParticipant {
        account: ACCOUNT,
        conference,
        call: call(who),
        change,
    }
}

fn remove(conference: ConferenceId, who: char) -> Input {
    Input::RemoveParticipant {
        account: ACCOUNT,
        conference,
        call: call(who),
    }
}

const MUTED: ParticipantChange = ParticipantChange {
    talk: Some(false),
    listen: None,
    dtmf_pass_through: None,
};

#[test]
fn muting_twice_asks_once() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', guest(conference));
    assert_eq!(
        story.happens(update(conference, 'A', MUTED)),
        ["fact: A is in muted", "media: A talk false listen true"]
    );
    let reply = story.accepts(update(conference, 'A', MUTED));
    assert_eq!(story.told(), [] as [&str; 0]);
    let Reply::Participant(record) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(
        (record.talk, record.listen, record.revision),
        (false, true, 2)
    );
}

#[test]
fn the_keys_of_a_participant_are_a_fact_and_nothing_else() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', guest(conference));
    let change = ParticipantChange {
        dtmf_pass_through: Some(false),
        ..ParticipantChange::default()
    };
    assert_eq!(
        story.happens(update(conference, 'A', change)),
        ["fact: A is in without keys"]
    );
}

#[test]
fn privileges_hold_from_the_moment_of_joining() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    let told = story.joins(
        'A',
        AddToConference {
            talk: false,
            listen: false,
            ..guest(conference)
        },
    );
    assert!(told.contains(&"fact: A is in muted deafened".to_owned()));
    let privileges = story.effects.iter().find_map(|effect| match effect {
        Effect::Media(tutti_model::MediaCommand::Join { privileges, .. }) => Some(*privileges),
        _ => None,
    });
    let silent = tutti_model::Privileges {
        talk: false,
        listen: false,
    };
    assert_eq!(privileges, Some(silent));
}

#[test]
fn a_removed_participant_goes_on_at_its_leave_conference_url() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', starter(conference));
    story.joins('B', going_on(starter(conference)));
    assert_eq!(
        story.happens(remove(conference, 'B')),
        [
            "fact: B InProgress",
            "fact: B is out",
            "media: leave B",
            "media: beep Exit",
            "ask: B left",
        ]
    );
    let Some(Effect::Ask(exchange)) = story.effects.last() else {
        panic!("{:?}", story.effects);
    };
    assert_eq!(exchange.url, "http://app/left");
    assert_eq!(exchange.fallback_url, None);
    assert_eq!(
        story.runs('B', [say("bye")]),
        ["media: prompt B 'bye' in en-US Times(1)"]
    );
}

#[test]
fn a_removed_participant_with_nowhere_to_go_is_hung_up() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', starter(conference));
    assert_eq!(
        story.happens(remove(conference, 'A')),
        [
            "fact: A Completed RemovedFromConference",
            "notify: A ended RemovedFromConference after 0 s",
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
fn only_those_who_are_in_can_be_changed_or_removed() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    let elsewhere = story.creates(watched());
    story.joins('A', starter(elsewhere));
    for input in [update(conference, 'A', MUTED), remove(conference, 'A')] {
        assert_eq!(story.refuses(input), Refusal::NoSuchParticipant);
    }
    let nowhere = ConferenceId::from_bytes([9; 20]);
    for input in [update(nowhere, 'A', MUTED), remove(nowhere, 'A')] {
        assert_eq!(story.refuses(input), Refusal::NoSuchConference);
    }
}

#[test]
fn a_joiner_is_announced_and_a_leaver_who_hung_up_is_told_of_without_a_question() {
    let mut story = Story::begin();
    let conference = story.creates(ConferenceOptions::default());
    let told = story.joins(
        'A',
        AddToConference {
            notification_url: Some("http://app/joined".into()),
            ..going_on(starter(conference))
        },
    );
    assert!(told.contains(&"notify: A joined".to_owned()));
    assert_eq!(
        story.hangs_up('A'),
        [
            "fact: A Completed FarEndHangup",
            "notify: A left",
            "notify: A ended FarEndHangup after 0 s",
            "fact: A is out",
            "fact: conference Empty",
            "media: leave A",
            "media: mixing false",
            "media: close A",
        ]
    );
    let contexts: Vec<_> = story
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Notify(Notification {
                webhook: Webhook::LeaveConference { call, .. } | Webhook::CallStatus { call, .. },
                ..
            }) => Some((call.status, call.conference)),
            _ => None,
        })
        .collect();
    let over = CallStatus::Completed;
    assert_eq!(contexts, [(over, Some(conference)), (over, None)]);
}
