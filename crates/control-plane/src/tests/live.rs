//! Keys, gains, and what whoever watches is told.

use std::time::Duration;

use tutti_model::{AccountId, ConferenceId, Digit, Gains, MediaEvent};

use super::story::*;
use crate::*;

fn key(character: char) -> Digit {
    Digit::from_char(character).unwrap()
}

/// A key that arrives in the media.
fn pressed(who: char, character: char) -> Input {
    Input::Media(MediaEvent::DigitPressed {
        call: call(who),
        digit: key(character),
    })
}

/// A key that arrives in the signalling.
fn signalled(who: char, character: char) -> Input {
    Input::KeySignalled {
        call: call(who),
        digit: key(character),
    }
}

fn speaks(who: char, speaking: bool) -> Input {
    Input::Media(MediaEvent::Speaking {
        call: call(who),
        speaking,
    })
}

fn set_gains(conference: ConferenceId, who: char, change: GainsChange) -> Input {
    Input::UpdateGains {
        account: ACCOUNT,
        conference,
        call: call(who),
        change,
    }
}

fn look(account: AccountId, conference: ConferenceId, who: char) -> Input {
    Input::LookAtParticipant {
        account,
        conference,
        call: call(who),
    }
}

fn looked_at(story: &mut Story, conference: ConferenceId, who: char) -> ParticipantNow {
    match story.accepts(look(ACCOUNT, conference, who)) {
        Reply::ParticipantNow(now) => now,
        other => panic!("{other:?}"),
    }
}

const LOUDER: GainsChange = GainsChange {
    input_db: Some(6),
    output_db: None,
};

#[test]
fn a_key_is_heard_by_the_others_where_it_passes_and_by_nobody_where_it_does_not() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', starter(conference));
    let silent = AddToConference {
        dtmf_pass_through: false,
        ..guest(conference)
    };
    story.joins('B', silent);
    assert_eq!(story.happens(pressed('A', '5')), ["media: pass 5 of A"]);
    assert_eq!(story.happens(pressed('B', '7')), [""; 0]);
    assert_eq!(story.watched(), ["live: B Digit(Digit('7'))"]);

    let change = ParticipantChange {
        dtmf_pass_through: Some(true),
        ..ParticipantChange::default()
    };
    story.accepts(Input::UpdateParticipant {
        account: ACCOUNT,
        conference,
        call: call('B'),
        change,
    });
    assert_eq!(story.happens(pressed('B', '#')), ["media: pass # of B"]);
}

#[test]
fn a_muted_participant_is_heard_by_its_keys() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    let muted = AddToConference {
        talk: false,
        ..starter(conference)
    };
    story.joins('A', muted);
    assert_eq!(story.happens(pressed('A', '1')), ["media: pass 1 of A"]);
}

#[test]
fn nobody_hears_keys_while_the_conference_waits() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', guest(conference));
    story.joins('B', guest(conference));
    assert_eq!(story.happens(pressed('A', '5')), [""; 0]);
    assert_eq!(story.watched(), ["live: A Digit(Digit('5'))"]);
}

#[test]
fn a_key_outside_any_conference_is_told_and_heard_by_nobody() {
    let mut story = Story::begin();
    story.rings('A');
    assert_eq!(story.happens(pressed('A', '5')), [""; 0]);
    let live = story.effects.iter().find_map(|effect| match effect {
        Effect::Live(event) => Some(event.conference),
        _ => None,
    });
    assert_eq!(live, Some(None));
    assert_eq!(story.happens(pressed('Z', '5')), [""; 0]);
    assert_eq!(story.watched(), [""; 0], "nobody knows Z");
}

#[test]
fn a_phone_that_tells_of_a_key_in_media_and_signalling_presses_once() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', starter(conference));
    story.joins('B', guest(conference));
    for (first, second) in [
        (pressed('A', '5'), signalled('A', '5')),
        (signalled('A', '5'), pressed('A', '5')),
    ] {
        assert_eq!(story.happens(first), ["media: pass 5 of A"]);
        story.passes(Duration::from_millis(500));
        assert_eq!(story.happens(second), [""; 0]);
        assert_eq!(story.watched(), [""; 0]);
    }
    // Another's key, and another key, are no second half.
    story.accepts(pressed('A', '5'));
    assert_eq!(story.happens(signalled('B', '5')), ["media: pass 5 of B"]);
    assert_eq!(story.happens(signalled('A', '6')), ["media: pass 6 of A"]);
}

#[test]
fn who_speaks_is_told_once_and_seen() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', guest(conference));
    assert_eq!(story.happens(speaks('A', true)), [""; 0]);
    assert_eq!(story.watched(), ["live: A Speaking(true)"]);
    assert!(looked_at(&mut story, conference, 'A').speaking);
    story.accepts(speaks('A', true));
    assert_eq!(story.watched(), [""; 0]);
    story.accepts(speaks('A', false));
    assert_eq!(story.watched(), ["live: A Speaking(false)"]);
    assert!(!looked_at(&mut story, conference, 'A').speaking);
}

#[test]
fn a_voice_that_is_listened_to_is_nothing_for_those_who_look_on() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', guest(conference));
    assert_eq!(story.speaks('A', true), [""; 0]);
    assert_eq!(story.watched(), [""; 0]);
    assert!(!looked_at(&mut story, conference, 'A').speaking);
}

#[test]
fn who_comes_and_goes_is_told() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.rings('A');
    story.runs('A', [Command::AddToConference(starter(conference))]);
    assert_eq!(story.watched(), ["live: A Joined"]);
    story.accepts(speaks('A', true));
    story.hangs_up('A');
    assert_eq!(story.watched(), ["live: A Left"]);
    story.accepts(speaks('A', false));
    assert_eq!(story.watched(), [""; 0]);
}

#[test]
fn gains_are_set_once_and_seen() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', guest(conference));
    assert_eq!(
        looked_at(&mut story, conference, 'A').gains,
        Gains::default()
    );
    assert_eq!(
        story.happens(set_gains(conference, 'A', LOUDER)),
        ["media: A gains 6 dB in 0 dB out"]
    );
    assert_eq!(story.happens(set_gains(conference, 'A', LOUDER)), [""; 0]);
    let quieter = GainsChange {
        input_db: None,
        output_db: Some(-100),
    };
    assert_eq!(
        story.happens(set_gains(conference, 'A', quieter)),
        ["media: A gains 6 dB in -24 dB out"]
    );
    let gains = Gains {
        input_db: 6,
        output_db: -24,
    };
    assert_eq!(looked_at(&mut story, conference, 'A').gains, gains);
}

#[test]
fn gains_end_with_the_participant() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.joins('A', starter(conference));
    story.joins('B', going_on(guest(conference)));
    story.accepts(set_gains(conference, 'B', LOUDER));
    let told = story.happens(Input::RemoveParticipant {
        account: ACCOUNT,
        conference,
        call: call('B'),
    });
    let left = told.iter().position(|line| line == "media: leave B");
    let reset = told
        .iter()
        .position(|line| line == "media: B gains 0 dB in 0 dB out");
    assert!(left.is_some() && left < reset, "{told:?}");
    story.runs('B', [Command::AddToConference(guest(conference))]);
    assert_eq!(
        looked_at(&mut story, conference, 'B').gains,
        Gains::default()
    );
}

#[test]
fn only_those_who_are_in_can_be_looked_at_or_made_louder() {
    let mut story = Story::begin();
    let conference = story.creates(watched());
    story.rings('A');
    for input in [
        look(ACCOUNT, conference, 'A'),
        set_gains(conference, 'A', LOUDER),
    ] {
        assert_eq!(story.refuses(input), Refusal::NoSuchParticipant);
    }
    story.joins('B', guest(conference));
    let refused = story.refuses(look(STRANGER, conference, 'B'));
    assert_eq!(refused, Refusal::NoSuchConference);
}
