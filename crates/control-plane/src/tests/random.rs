//! Thousands of lives of the control plane, each from one seed.

use crate::life::observer::{Heard, Observer};
use crate::life::{Chance, Life, STEPS};
use crate::*;

/// As many lives as `TUTTI_LIVES` says to whoever compiles this.
const SEEDS: u64 = match option_env!("TUTTI_LIVES") {
    Some(lives) => match u64::from_str_radix(lives, 10) {
        Ok(lives) => lives,
        Err(_) => panic!("TUTTI_LIVES is a number"),
    },
    None => 3_000,
};

#[test]
fn whatever_happens_the_effects_make_sense() {
    let mut seen = Seen::default();
    for seed in 0..SEEDS {
        let _told = ToldOnPanic(seed);
        let mut life = Life::new(Chance::from_seed(seed));
        for _ in 0..STEPS {
            life.step();
        }
        seen.add(&life.observer);
        if life.chance.one_in(2) {
            life.end();
        } else {
            life.restart();
        }
    }
    seen.check();
}

/// Names the seed of a life that makes no sense.
struct ToldOnPanic(u64);

impl Drop for ToldOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the life of seed {} made no sense", self.0);
        }
    }
}

/// That the lives were not dull.
#[derive(Default)]
struct Seen {
    participants: usize,
    terminated: usize,
    complete: usize,
    failed: usize,
    ended: usize,
    connected: usize,
    missed: usize,
    machines: usize,
    taken_out: u64,
    waiting: usize,
    heard: Heard,
}

impl Seen {
    fn add(&mut self, observer: &Observer) {
        for conference in observer.conferences.values() {
            self.participants += conference.participants.len();
            self.terminated +=
                usize::from(conference.record.status == ConferenceStatus::Terminated);
        }
        for recording in observer.recordings.values() {
            match recording.record.status {
                RecordingStatus::Open => {}
                RecordingStatus::Ready { .. } => self.complete += 1,
                RecordingStatus::Failed { .. } => self.failed += 1,
            }
        }
        let calls = observer.calls.values();
        self.ended += calls.filter(|call| call.record.status.is_final()).count();
        for call in observer.calls.values().map(|view| &view.record) {
            if call.direction != Direction::Inbound {
                self.connected += usize::from(call.connected.is_some());
                self.missed += usize::from(call.status.is_final() && call.connected.is_none());
            }
            self.machines += usize::from(call.answered_by == Some(AnsweredBy::Machine));
            self.waiting += usize::from(call.queue.is_some());
        }
        let queues = observer.queues.values();
        self.taken_out += queues.map(|queue| queue.taken_out).sum::<u64>();
        self.heard.digits += observer.heard.digits;
        self.heard.controls += observer.heard.controls;
        self.heard.utterances += observer.heard.utterances;
        self.heard.cut_off += observer.heard.cut_off;
        self.heard.texts += observer.heard.texts;
    }

    fn check(&self) {
        let lives = SEEDS as usize;
        let heard = &self.heard;
        assert!(self.participants > lives, "{}", self.participants);
        assert!(self.terminated > lives, "{}", self.terminated);
        assert!(self.complete > lives, "{}", self.complete);
        assert!(self.failed > lives / 5, "{}", self.failed);
        assert!(self.ended > 4 * lives, "{}", self.ended);
        assert!(self.connected > lives, "{}", self.connected);
        assert!(self.missed > lives, "{}", self.missed);
        assert!(self.machines > lives / 30, "{}", self.machines);
        assert!(self.taken_out > lives as u64 / 10, "{}", self.taken_out);
        assert!(self.waiting > lives / 30, "{}", self.waiting);
        assert!(heard.digits > lives / 5, "{heard:?}");
        assert!(heard.controls > lives / 10, "{heard:?}");
        assert!(heard.utterances > lives / 6, "{heard:?}");
        assert!(heard.cut_off > lives / 4, "{heard:?}");
        assert!(heard.texts > lives / 30, "{heard:?}");
    }
}
