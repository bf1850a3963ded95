//! What is done for one call: recordings, prompts, watching, and calls that we place.

use tutti_media::{Audio, MOST_CALL_RECORDINGS, PromptAudio};
use tutti_model::{
    Audience, PromptId, PromptOutcome, RecordedSide, RecordingFailure, RecordingId, Repeat,
};
use tutti_recording::recording_path;

use super::*;

#[test]
fn a_calls_recording_goes_where_its_leg_goes() {
    let mut stage = Stage::new(2, 100);
    let conference = stage.open();
    stage.director.set_mixing(conference, true);
    let home = stage.director.conferences[&conference].home();
    let (call, phone) = stage.call();
    assert_eq!(stage.thread_of(call), Some(1 - home));
    let (whole, piece) = (recording(1), recording(2));
    stage.director.record_call(call, whole, RecordedSide::Both);
    stage.talk(&phone, 0, 40);

    stage.director.join(call, conference, BOTH);
    // Asked while the leg is on its way.
    stage
        .director
        .record_call(call, piece, RecordedSide::Caller);
    stage.until("it has moved", |stage| stage.thread_of(call) == Some(home));
    stage.talk(&phone, 40, 40);
    stage.director.leave(call);
    stage.talk(&phone, 80, 20);
    stage.director.stop_recording(piece);
    stage.talk(&phone, 100, 20);
    stage.director.stop_recording(whole);
    stage.until_recorded(&[whole, piece]);

    // What it heard last is not in yet when the first packet comes back.
    let (whole, piece) = (stage.sound_of(whole), stage.sound_of(piece));
    assert!(whole.len() >= 110, "{} frames", whole.len());
    assert!(piece.len() >= 50 && piece.len() < whole.len() - 40);
    let loud = |frames: &[f32]| frames.iter().filter(|level| **level > 0.1).count();
    assert!(loud(&whole[..35]) >= 20, "before it moved: {whole:?}");
    assert!(loud(&whole[whole.len() - 15..]) >= 10, "after: {whole:?}");
    assert!(loud(&piece) >= 40, "{piece:?}");
}

#[test]
fn each_recording_of_a_call_becomes_ready_however_its_leg_ends() {
    let mut stage = Stage::new(2, 100);
    let conference = stage.open();
    // Closed where it is, on its way to its conference, before it is built; and never there.
    let (seated, _phone) = stage.call();
    let (moving, _other_phone) = stage.call();
    let (unbuilt, _) = stage.offer(Ipv4Addr::LOCALHOST.into());
    let calls = [seated, moving, unbuilt, CallId::from_bytes([99; 20])];
    for (number, call) in (1..).zip(calls) {
        let id = recording(number);
        stage.director.record_call(call, id, RecordedSide::Both);
    }
    let home = stage.director.conferences[&conference].home();
    for call in [seated, moving] {
        if stage.thread_of(call) != Some(home) {
            stage.director.join(call, conference, BOTH);
        }
    }
    calls
        .into_iter()
        .for_each(|call| stage.director.close_leg(call));
    stage.until_recorded(&[1, 2, 3, 4].map(recording));
    stage.until("all are gone", |stage| stage.director.is_idle());
}

#[test]
fn one_recording_of_a_call_too_many_fails() {
    let mut stage = Stage::new(1, 100);
    let (call, _phone) = stage.call();
    let most = MOST_CALL_RECORDINGS as u8;
    for number in 0..=most {
        let id = recording(number);
        stage.director.record_call(call, id, RecordedSide::Caller);
    }
    stage.poll();
    let failed = |event: &MediaEvent| {
        matches!(event, MediaEvent::RecordingFailed { recording: failed, failure: RecordingFailure::Io(_) }
            if *failed == recording(most))
    };
    assert!(stage.news.iter().any(failed), "{:?}", stage.news);
    stage.director.stop_recording(recording(0));
    let id = recording(most + 1);
    stage.director.record_call(call, id, RecordedSide::Caller);
    stage.director.close_leg(call);
    let ended: Vec<_> = (0..most).chain([most + 1]).map(recording).collect();
    stage.until_recorded(&ended);
}

#[test]
fn a_prompt_for_a_conference_is_heard_in_all_its_parts_and_told_once() {
    let mut stage = Stage::new(3, 1);
    let conference = stage.open();
    let calls = [stage.call(), stage.call(), stage.call()];
    for (call, _) in &calls[..2] {
        stage.director.join(*call, conference, BOTH);
    }
    let (caller, other) = (calls[0].0, calls[1].0);
    stage.announce(caller, 1, Repeat::Times(1));
    for (_, phone) in &calls[..2] {
        stage.until_sound(phone);
    }
    stage.until("its end is told", |stage| !stage.news.is_empty());
    for (_, phone) in &calls[..2] {
        stage.until_silence(phone);
    }
    let finished = MediaEvent::PromptFinished {
        call: caller,
        prompt: PromptId(1),
        outcome: PromptOutcome::Played,
    };
    assert_eq!(stage.news, [finished]);

    // A part that begins meanwhile joins in.
    stage.announce(other, 2, Repeat::Forever);
    stage.director.join(calls[2].0, conference, BOTH);
    assert_eq!(stage.parts(conference), [1, 1, 1]);
    for (_, phone) in &calls {
        stage.until_sound(phone);
    }
    stage.director.stop_prompt(caller, PromptId(2));
    stage.until_sound(&calls[0].1);
    // It ends with the call that it is of, whose part ends as well.
    stage.director.leave(other);
    for (_, phone) in &calls {
        stage.until_silence(phone);
    }
    stage.announce(caller, 3, Repeat::Forever);
    for (_, phone) in [&calls[0], &calls[2]] {
        stage.until_sound(phone);
    }
    stage.director.stop_prompt(caller, PromptId(3));
    for (_, phone) in &calls {
        stage.until_silence(phone);
    }
    assert_eq!(stage.news.len(), 1, "{:?}", stage.news);
}

#[test]
fn a_prompt_for_a_conference_that_a_call_is_not_in_fails() {
    let mut stage = Stage::new(1, 100);
    let (call, phone) = stage.call();
    stage.announce(call, 1, Repeat::Forever);
    stage.until("it is told", |stage| !stage.news.is_empty());
    let reason = "the call is not in a conference".to_owned();
    let failed = MediaEvent::PromptFinished {
        call,
        prompt: PromptId(1),
        outcome: PromptOutcome::Failed(reason),
    };
    assert_eq!(stage.news, [failed]);
    // But it hears its own.
    let prompt = (PromptId(2), tone(), Repeat::Forever);
    stage.play(call, prompt, Audience::Call);
    stage.until_sound(&phone);
}

#[test]
fn a_call_that_we_place_hears_early_media_and_is_believed_once_it_answers() {
    let mut stage = Stage::new(1, 100);
    // The request goes to a proxy, or a NAT, through which two phones may answer.
    let (call, bridge) = stage.offer(Ipv4Addr::new(127, 0, 0, 2).into());
    stage.director.watch_voice(call, true);
    let prompt = (PromptId(1), tone(), Repeat::Forever);
    stage.play(call, prompt, Audience::Call);

    // 183 describes it: whoever it is hears what it is played, and is not heard.
    let rings = Phone::new("127.0.0.3:0", bridge);
    stage.director.describe_leg(call, rings.description());
    stage.until("it is seated", |stage| stage.thread_of(call).is_some());
    stage.director.early(call);
    stage.until_sound(&rings);
    stage.talk(&rings, 0, 30);
    assert_eq!(stage.news, []);

    // 200 describes somebody else, behind a NAT at the address that the request went to.
    let answers = Phone::new("127.0.0.2:0", bridge);
    let inside = Phone::new("127.0.0.1:0", bridge);
    stage.director.describe_leg(call, inside.description());
    stage.until_sound(&inside);
    assert_eq!(stage.news, [], "nobody is believed before the answer");
    stage.director.answered(call);
    let mut number = 0;
    let speaking = MediaEvent::Voice {
        call,
        speaking: true,
    };
    while !stage.news.contains(&speaking) {
        // Whoever only rang is a stranger now, and does not keep the phone from proving itself.
        stage.poll();
        answers.speak(number);
        rings.speak(number);
        number += 1;
        std::thread::sleep(Duration::from_millis(20));
        assert!(number < 500, "it is heard");
    }
    stage.until_sound(&answers);
}

impl Stage {
    /// Sends a packet of sound for each that comes.
    fn talk(&mut self, phone: &Phone, first: u16, count: u16) {
        for number in first..first + count {
            phone.speak(number);
            self.packets(phone, 1);
        }
    }

    fn play(&mut self, call: CallId, prompt: (PromptId, Audio, Repeat), audience: Audience) {
        let (id, audio, repeat) = prompt;
        let audio = PromptAudio::Sound(audio);
        self.director.play_prompt(call, id, audio, repeat, audience);
    }

    /// Plays a tone to a call's conference.
    fn announce(&mut self, call: CallId, id: u64, repeat: Repeat) {
        let prompt = (PromptId(id), tone(), repeat);
        self.play(call, prompt, Audience::Conference);
    }

    /// Waits until what a phone gets is silence.
    fn until_silence(&mut self, phone: &Phone) {
        while !self.packets(phone, 1)[0].is_silent() {}
    }

    /// Waits until these recordings, and no others, are ready.
    fn until_recorded(&mut self, expected: &[RecordingId]) {
        let mut ready = Vec::new();
        for _ in 0..10_000 {
            self.poll();
            while let Ok(event) = self.recorded.try_recv() {
                match event {
                    RecorderEvent::Ready { recording, .. } => ready.push(recording),
                    RecorderEvent::Failed { recording, failure } => {
                        panic!("{recording}: {failure:?}")
                    }
                }
            }
            ready.sort_unstable();
            if ready.len() == expected.len() {
                assert_eq!(ready, expected);
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("only {ready:?} within 10 s");
    }

    /// How loud each 20 ms of a recording are.
    fn sound_of(&self, recording: RecordingId) -> Vec<f32> {
        let file = std::fs::read(recording_path(self.recordings.path(), recording)).unwrap();
        let loudest = |frame: &[u8]| {
            let samples = frame.as_chunks::<2>().0.iter();
            let samples = samples.map(|sample| f32::from(i16::from_le_bytes(*sample)).abs());
            samples.fold(0.0, f32::max) / 32_768.0
        };
        let samples_per_second = u32::from_le_bytes(file[24..28].try_into().unwrap());
        let frame = samples_per_second as usize / 50 * 2;
        file[44..].chunks_exact(frame).map(loudest).collect()
    }
}

fn recording(number: u8) -> RecordingId {
    RecordingId::from_bytes([number; 20])
}

/// Half a second of a tone.
fn tone() -> Audio {
    (0..24_000).map(|n| 0.3 * (n as f32 * 0.06).sin()).collect()
}
