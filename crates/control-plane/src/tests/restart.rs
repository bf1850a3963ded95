//! What becomes of what an earlier run left open.

use tutti_model::RecordingId;

use super::story::*;
use crate::*;

/// The latest facts of an earlier run.
#[derive(Default)]
struct Facts {
    conferences: Vec<ConferenceRecord>,
    calls: Vec<CallRecord>,
    participants: Vec<ParticipantRecord>,
    recordings: Vec<RecordingRecord>,
}

impl Facts {
    fn learn(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Commit(Fact::Conference(record)) => {
                    self.conferences.retain(|known| known.id != record.id);
                    self.conferences.push(record.clone());
                }
                Effect::Commit(Fact::Call(record)) => {
                    self.calls.retain(|known| known.id != record.id);
                    self.calls.push(record.clone());
                }
                Effect::Commit(Fact::Participant(record)) => self.participants.push(record.clone()),
                Effect::Commit(Fact::Recording(record)) => self.recordings.push(record.clone()),
                Effect::Commit(Fact::ParticipantGone { .. } | Fact::Queue(_))
                | Effect::Notify(_)
                | Effect::Ask(_)
                | Effect::Media(_)
                | Effect::Dial(_)
                | Effect::Transcribe { .. }
                | Effect::Signal { .. }
                | Effect::Log(_)
                | Effect::Live(_) => {}
            }
        }
    }

    fn restore(self, story: &mut Story) -> Vec<String> {
        story.effects.clear();
        story.plane.restore(
            story.now,
            self.conferences,
            self.calls,
            self.participants,
            self.recordings,
            Vec::new(),
            &mut story.effects,
        );
        story.told()
    }
}

/// An earlier run with one recorded conference in progress, one caller in it and one ringing.
fn interrupted() -> Facts {
    let mut story = Story::begin();
    let mut facts = Facts::default();
    let conference = story.creates(ConferenceOptions {
        record: true,
        ..quiet()
    });
    story.dials('A', conference);
    facts.learn(&story.effects);
    story.rings('B');
    facts.learn(&story.effects);
    facts
}

fn mix(facts: &Facts) -> RecordingId {
    facts
        .recordings
        .iter()
        .find(|record| record.call.is_none())
        .unwrap()
        .id
}

#[test]
fn calls_end_and_conferences_become_empty() {
    let facts = interrupted();
    let mut story = Story::begin();
    assert_eq!(
        facts.restore(&mut story),
        [
            "fact: A Completed InternalError",
            "fact: B Failed InternalError",
            "fact: A is out",
            "fact: conference Empty",
            "notify: conference Empty",
            "media: open conference",
        ]
    );
    assert_eq!(story.plane.call_count(), 0);
}

#[test]
fn an_empty_conference_lives_on_unnoticed() {
    let mut story = Story::begin();
    let mut facts = Facts::default();
    let conference = story.creates(watched());
    facts.learn(&story.effects);

    let mut story = Story::begin();
    assert_eq!(facts.restore(&mut story), ["media: open conference"]);
    let told = story.dials('A', conference);
    assert!(told.contains(&"notify: conference InProgress".to_owned()));
}

#[test]
fn a_repaired_recording_is_told_of() {
    let facts = interrupted();
    let mix = mix(&facts);
    let track = facts
        .recordings
        .iter()
        .find(|r| r.call.is_some())
        .unwrap()
        .id;
    let mut story = Story::begin();
    facts.restore(&mut story);
    assert_eq!(
        story.is_ready(mix, secs(7)),
        ["fact: mix ready", "notify: mix of 7 s ready while Empty"]
    );
    assert_eq!(story.is_ready(track, secs(7)), ["fact: track A ready"]);
}

#[test]
fn a_terminated_conference_stays_terminated_and_its_recording_is_still_told_of() {
    let mut facts = interrupted();
    facts.conferences[0].status = ConferenceStatus::Terminated;
    facts.calls.clear();
    facts.participants.clear();
    let (conference, mix) = (facts.conferences[0].id, mix(&facts));
    let mut story = Story::begin();
    assert_eq!(facts.restore(&mut story), [] as [&str; 0]);
    assert_eq!(
        story.refuses(arrival('C', Route::Conference(conference))),
        Refusal::ConferenceTerminated
    );
    assert_eq!(
        story.is_ready(mix, secs(7)),
        [
            "fact: mix ready",
            "notify: mix of 7 s ready while Terminated"
        ]
    );
}

#[test]
fn a_call_that_ended_before_is_left_alone() {
    let mut story = Story::begin();
    let mut facts = Facts::default();
    story.rings('A');
    facts.learn(&story.effects);
    story.hangs_up('A');
    facts.learn(&story.effects);

    let mut story = Story::begin();
    assert_eq!(facts.restore(&mut story), [] as [&str; 0]);
}
