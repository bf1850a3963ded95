//! The life of conferences.

use tutti_model::ConferenceId;

use super::story::*;
use crate::*;

#[test]
fn a_new_conference_is_empty_and_its_application_is_told() {
    let mut story = Story::begin();
    story.creates(watched());
    assert_eq!(
        story.told(),
        [
            "fact: conference Empty",
            "notify: conference Empty",
            "media: open conference",
        ]
    );
}

#[test]
fn a_conference_without_a_callback_tells_nobody() {
    let mut story = Story::begin();
    let conference = story.creates(ConferenceOptions::default());
    assert_eq!(
        story.told(),
        ["fact: conference Empty", "media: open conference"]
    );
    story.dials('A', conference);
    assert!(
        story
            .hangs_up('A')
            .iter()
            .all(|told| !told.starts_with("notify"))
    );
}

#[test]
fn who_comes_before_the_start_hears_wait_music() {
    let mut story = Story::begin();
    let conference = story.creates(ConferenceOptions {
        wait_url: Some("http://app/music.wav".into()),
        ..watched()
    });
    assert_eq!(
        story.joins('A', guest(conference)),
        [
            "fact: A InProgress",
            "fact: A is in",
            "fact: conference Populated",
            "notify: conference Populated",
            "fact: A InProgress in conference",
            "signal: A Answer",
            "media: join A",
            "media: play music Some(\"http://app/music.wav\")",
            "media: beep Entry",
        ]
    );
    assert_eq!(
        story.joins('B', guest(conference)),
        [
            "fact: B InProgress",
            "fact: B is in",
            "fact: B InProgress in conference",
            "signal: B Answer",
            "media: join B",
            "media: beep Entry",
        ]
    );
}

#[test]
fn a_starter_ends_the_wait() {
    let mut story = Story::begin();
    let conference = story.creates(quiet());
    story.joins('A', guest(conference));
    assert_eq!(
        story.joins('B', starter(conference)),
        [
            "fact: B InProgress",
            "fact: B is in and started it",
            "fact: conference InProgress",
            "notify: conference InProgress",
            "fact: B InProgress in conference",
            "signal: B Answer",
            "media: join B",
            "media: stop music",
            "media: mixing true",
        ]
    );
    assert_eq!(
        story.joins('C', starter(conference)),
        [
            "fact: C InProgress",
            "fact: C is in",
            "fact: C InProgress in conference",
            "signal: C Answer",
            "media: join C",
        ]
    );
}

#[test]
fn a_first_participant_who_starts_passes_through_populated_without_music() {
    let mut story = Story::begin();
    let conference = story.creates(quiet());
    assert_eq!(
        story.joins('A', starter(conference)),
        [
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
        ]
    );
}

#[test]
fn a_conference_goes_on_when_its_starter_leaves() {
    let mut story = Story::begin();
    let conference = story.creates(quiet());
    story.joins('A', starter(conference));
    story.joins('B', guest(conference));
    assert_eq!(
        story.hangs_up('A'),
        [
            "fact: A Completed FarEndHangup",
            "notify: A ended FarEndHangup after 0 s",
            "fact: A is out",
            "media: leave A",
            "media: close A",
        ]
    );
}

#[test]
fn the_last_to_leave_empties_the_conference() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', starter(conference));
    assert_eq!(
        story.hangs_up('A'),
        [
            "fact: A Completed FarEndHangup",
            "notify: A ended FarEndHangup after 0 s",
            "fact: A is out",
            "fact: conference Empty",
            "notify: conference Empty",
            "media: leave A",
            "media: mixing false",
            "media: close A",
        ]
    );
}

#[test]
fn the_last_to_give_up_waiting_ends_the_music() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', guest(conference));
    assert_eq!(
        story.hangs_up('A')[2..],
        [
            "fact: A is out",
            "fact: conference Empty",
            "notify: conference Empty",
            "media: leave A",
            "media: stop music",
            "media: close A",
        ]
    );
}

#[test]
fn whether_a_conference_has_started_is_decided_anew_after_empty() {
    let mut story = Story::begin();
    let conference = story.creates(quiet());
    story.joins('A', starter(conference));
    story.hangs_up('A');
    assert!(
        story
            .joins('B', guest(conference))
            .contains(&"media: play music None".to_owned())
    );
    assert!(
        story
            .joins('C', starter(conference))
            .contains(&"fact: C is in and started it".to_owned())
    );
}

#[test]
fn beeps_follow_play_beep() {
    for (play_beep, entry, exit) in [
        (PlayBeep::Always, true, true),
        (PlayBeep::Never, false, false),
        (PlayBeep::EntryOnly, true, false),
        (PlayBeep::ExitOnly, false, true),
    ] {
        let mut story = Story::begin();
        let conference = story.creates(ConferenceOptions {
            play_beep,
            ..watched()
        });
        story.joins('A', starter(conference));
        let came = story.joins('B', starter(conference));
        assert_eq!(
            came.contains(&"media: beep Entry".into()),
            entry,
            "{play_beep:?}"
        );
        let went = story.hangs_up('B');
        assert_eq!(
            went.contains(&"media: beep Exit".into()),
            exit,
            "{play_beep:?}"
        );
        let nobody_hears = story.hangs_up('A');
        assert!(!nobody_hears.contains(&"media: beep Exit".into()));
    }
}

#[test]
fn emptying_sends_on_who_can_go_on_and_hangs_up_the_others() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', starter(conference));
    story.joins('B', going_on(starter(conference)));
    assert_eq!(
        story.happens(ask_for(conference, RequestedStatus::Empty)),
        [
            "fact: A Completed ConferenceEmptied",
            "notify: A ended ConferenceEmptied after 0 s",
            "fact: A is out",
            "fact: B InProgress",
            "fact: B is out",
            "fact: conference Empty",
            "notify: conference Empty",
            "media: leave A",
            "signal: A HangUp",
            "media: close A",
            "media: leave B",
            "media: mixing false",
            "ask: B left",
        ]
    );
    let again = story.runs('B', [Command::AddToConference(guest(conference))]);
    assert!(again.contains(&"notify: conference Populated".to_owned()));
}

#[test]
fn emptying_an_empty_conference_changes_nothing() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    let told = story.happens(ask_for(conference, RequestedStatus::Empty));
    assert_eq!(told, [] as [&str; 0]);
}

#[test]
fn terminating_ends_every_call_and_posts_empty_then_terminated() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', starter(conference));
    story.joins('B', going_on(starter(conference)));
    assert_eq!(
        story.happens(ask_for(conference, RequestedStatus::Terminated)),
        [
            "fact: A Completed ConferenceTerminated",
            "notify: A ended ConferenceTerminated after 0 s",
            "fact: A is out",
            "fact: B Completed ConferenceTerminated",
            "notify: B left",
            "notify: B ended ConferenceTerminated after 0 s",
            "fact: B is out",
            "fact: conference Empty",
            "notify: conference Empty",
            "fact: conference Terminated",
            "notify: conference Terminated",
            "media: leave A",
            "signal: A HangUp",
            "media: close A",
            "media: leave B",
            "media: mixing false",
            "signal: B HangUp",
            "media: close B",
            "media: close conference",
        ]
    );
    assert_eq!(story.plane.conference_count(), 0);
    assert_eq!(story.plane.call_count(), 0);
}

#[test]
fn terminating_an_empty_conference_posts_terminated_only() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    let reply = story.accepts(ask_for(conference, RequestedStatus::Terminated));
    assert_eq!(
        story.told(),
        [
            "fact: conference Terminated",
            "notify: conference Terminated",
            "media: close conference",
        ]
    );
    let Reply::Conference(record) = reply else {
        panic!("{reply:?}");
    };
    assert_eq!(record.status, ConferenceStatus::Terminated);
    assert_eq!(record.revision, 2);
}

#[test]
fn a_terminated_conference_refuses_everything() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.accepts(ask_for(conference, RequestedStatus::Terminated));
    for input in [
        ask_for(conference, RequestedStatus::Terminated),
        ask_for(conference, RequestedStatus::Empty),
        arrival('A', Route::Conference(conference)),
        Input::RemoveParticipant {
            account: ACCOUNT,
            conference,
            call: call('A'),
        },
        Input::UpdateParticipant {
            account: ACCOUNT,
            conference,
            call: call('A'),
            change: ParticipantChange::default(),
        },
    ] {
        assert_eq!(story.refuses(input), Refusal::ConferenceTerminated);
    }
}

#[test]
fn an_account_knows_nothing_of_a_strangers_conference() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    let request = || Input::UpdateConference {
        account: STRANGER,
        conference,
        change: ConferenceChange::default(),
    };
    assert_eq!(story.refuses(request()), Refusal::NoSuchConference);
    story.accepts(ask_for(conference, RequestedStatus::Terminated));
    assert_eq!(story.refuses(request()), Refusal::NoSuchConference);
}

#[test]
fn attributes_change_once_and_equal_ones_not_at_all() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    let renamed = || {
        change(
            conference,
            ConferenceChange {
                alias: Some("stand-up".into()),
                play_beep: Some(PlayBeep::Never),
                status: None,
            },
        )
    };
    story.now = START + secs(5);
    let Reply::Conference(record) = story.accepts(renamed()) else {
        panic!("not a conference");
    };
    assert_eq!(story.told(), ["fact: conference Empty"]);
    assert_eq!(record.alias.as_deref(), Some("stand-up"));
    assert_eq!(record.play_beep, PlayBeep::Never);
    assert_eq!((record.revision, record.updated), (2, START + secs(5)));
    assert_eq!(record.created, START);

    assert_eq!(story.happens(renamed()), [] as [&str; 0]);
}

#[test]
fn an_account_and_the_bridge_have_so_many_conferences_and_no_more() {
    let mut story = Story::with(Limits {
        conferences_per_account: 2,
        conferences: 3,
        ..Limits::default()
    });
    let create = |account| Input::CreateConference {
        account,
        options: ConferenceOptions::default(),
    };
    let first = story.creates(watched());
    story.creates(watched());
    assert_eq!(story.refuses(create(ACCOUNT)), Refusal::TooManyConferences);
    story.accepts(create(STRANGER));
    assert_eq!(story.refuses(create(STRANGER)), Refusal::BridgeFull);
    story.accepts(ask_for(first, RequestedStatus::Terminated));
    story.accepts(create(ACCOUNT));
}

#[test]
fn a_full_conference_lets_nobody_in_until_somebody_leaves() {
    let mut story = Story::with(Limits {
        participants_per_conference: 1,
        ..Limits::default()
    });
    let conference = story.creates(watched());
    story.dials('A', conference);
    let late = || arrival('B', Route::Conference(conference));
    assert_eq!(story.refuses(late()), Refusal::ConferenceFull);
    story.hangs_up('A');
    story.accepts(late());
    assert_eq!(story.plane.participant_count(), 1);
}

#[test]
fn an_unknown_conference_is_no_conference() {
    let mut story = Story::begin();
    let nowhere = ConferenceId::from_bytes([9; 20]);
    for input in [
        ask_for(nowhere, RequestedStatus::Empty),
        arrival('A', Route::Conference(nowhere)),
    ] {
        assert_eq!(story.refuses(input), Refusal::NoSuchConference);
    }
}

#[test]
fn music_that_fails_is_logged_and_changes_nothing() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', guest(conference));
    let told = story.happens(Input::Media(tutti_model::MediaEvent::MusicFailed {
        conference,
        reason: "404".into(),
    }));
    assert_eq!(told, ["log: Warning: waitUrl could not be played: 404"]);
}
