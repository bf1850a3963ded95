//! The main promises, one scenario each.

use tutti_control_plane::{AddToConference, Command, ConferenceStatus, PlayBeep, Say, Script};
use tutti_media::{
    ConferenceSlot, ENTRY_TONES_HZ, EXIT_TONES_HZ, EngineCommand, EngineEvent, LegSlot,
};
use tutti_model::{Beep, CloseReason, Codec, Format, MediaFlow, Repeat};
use tutti_sim::{
    About, Action, Afterwards, Clarity, ConferencePlan, How, Mouth, News, Random, Repertoire,
    Studio, Voice, Voices, World, level_db,
};

use crate::stage::*;

const QUIET: ConferencePlan = ConferencePlan {
    play_beep: PlayBeep::Never,
    record: false,
};

const STARTER: How = How::ByScript {
    starts: true,
    talk: true,
    listen: true,
    notified: false,
    afterwards: Afterwards::Ends,
};

const GUEST: How = How::ByScript {
    starts: false,
    talk: true,
    listen: true,
    notified: true,
    afterwards: Afterwards::Waits,
};

#[test]
fn who_waits_hears_music_and_nobody_else() {
    let mut world = world(&[QUIET]);
    dial(&mut world, 0, 0, GUEST);
    dial(&mut world, 1, 0, GUEST);
    assert_eq!(all_hear(&mut world), [(0, music()), (1, music())]);
}

#[test]
fn a_starter_ends_the_music_and_everybody_hears_everybody_else() {
    let mut world = world(&[QUIET]);
    dial(&mut world, 0, 0, GUEST);
    all_hear(&mut world);
    dial(&mut world, 1, 0, GUEST);
    dial(&mut world, 2, 0, STARTER);
    let heard = all_hear(&mut world);
    assert_eq!(
        heard,
        [
            (0, voices(&[1, 2])),
            (1, voices(&[0, 2])),
            (2, voices(&[0, 1]))
        ]
    );
    world.hang_up(2).unwrap();
    assert_eq!(all_hear(&mut world), [(0, voices(&[1])), (1, voices(&[0]))]);
}

#[test]
fn who_is_muted_hears_and_is_not_heard() {
    let mut world = world(&[QUIET]);
    (0..3).for_each(|caller| dial(&mut world, caller, 0, STARTER));
    act(
        &mut world,
        Action::SetTalk {
            caller: 1,
            on: false,
        },
    );
    let heard = all_hear(&mut world);
    assert_eq!(
        heard,
        [(0, voices(&[2])), (1, voices(&[0, 2])), (2, voices(&[0]))]
    );
    act(
        &mut world,
        Action::SetTalk {
            caller: 1,
            on: true,
        },
    );
    act(
        &mut world,
        Action::SetListen {
            caller: 0,
            on: false,
        },
    );
    let heard = all_hear(&mut world);
    assert_eq!(
        heard,
        [
            (0, Voices::NONE),
            (1, voices(&[0, 2])),
            (2, voices(&[0, 1]))
        ]
    );
}

#[test]
fn two_conferences_do_not_hear_each_other() {
    let mut world = world(&[QUIET, QUIET]);
    for (caller, conference) in [(0, 0), (1, 0), (2, 1), (3, 1)] {
        dial(&mut world, caller, conference, STARTER);
    }
    let heard = all_hear(&mut world);
    let pairs = [
        (0, voices(&[1])),
        (1, voices(&[0])),
        (2, voices(&[3])),
        (3, voices(&[2])),
    ];
    assert_eq!(heard, pairs);
}

#[test]
fn codecs_hear_each_other() {
    let mut world = world(&[QUIET]);
    for (caller, codec) in [Codec::Pcmu, Codec::Pcma, Codec::Opus]
        .into_iter()
        .enumerate()
    {
        world.dial(caller, codec, 0, STARTER).unwrap();
    }
    settle_and_listen(&mut world);
    for (caller, others) in [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])] {
        let heard = world.caller(caller).unwrap().voices(Clarity::Rough);
        assert_eq!(heard, Ok(voices(&others)), "caller {caller}");
    }
}

#[test]
fn who_is_removed_waits_outside_in_silence_or_goes_elsewhere() {
    let mut world = world(&[QUIET, QUIET]);
    dial(&mut world, 0, 0, STARTER);
    dial(&mut world, 1, 0, GUEST);
    dial(&mut world, 2, 1, STARTER);
    let goes = How::ByScript {
        starts: false,
        talk: false,
        listen: true,
        notified: false,
        afterwards: Afterwards::GoesTo(1),
    };
    dial(&mut world, 3, 0, goes);
    act(&mut world, Action::Remove { caller: 1 });
    act(&mut world, Action::Remove { caller: 3 });
    let heard = all_hear(&mut world);
    let expected = [
        (0, Voices::NONE),
        (1, Voices::NONE),
        (2, voices(&[3])),
        (3, voices(&[2])),
    ];
    assert_eq!(heard, expected);
}

#[test]
fn an_emptied_conference_begins_anew_and_a_terminated_one_does_not() {
    let mut world = world(&[QUIET]);
    dial(&mut world, 0, 0, STARTER);
    dial(&mut world, 1, 0, STARTER);
    act(&mut world, Action::Empty { conference: 0 });
    assert_eq!(all_hear(&mut world), []);
    dial(&mut world, 2, 0, GUEST);
    assert_eq!(all_hear(&mut world), [(2, music())]);
    act(&mut world, Action::Terminate { conference: 0 });
    dial(&mut world, 3, 0, How::Directly);
    dial(&mut world, 4, 0, STARTER);
    assert_eq!(all_hear(&mut world), []);

    let statuses = [
        ConferenceStatus::Empty,
        ConferenceStatus::Populated,
        ConferenceStatus::InProgress,
        ConferenceStatus::Empty,
        ConferenceStatus::Populated,
        ConferenceStatus::Empty,
        ConferenceStatus::Terminated,
    ];
    let news = statuses.map(|status| News::Status {
        status,
        recorded: false,
    });
    assert_eq!(world.told()[&About::Conference(0)], news);
    let joined_left_ended = [
        News::Joined,
        News::Left,
        News::Ended(CloseReason::ConferenceTerminated),
    ];
    assert_eq!(world.told()[&About::Call(2)], joined_left_ended);
    assert_eq!(world.told().get(&About::Call(3)), None);
    let refused = [News::Ended(CloseReason::PerclProcessingError)];
    assert_eq!(world.told()[&About::Call(4)], refused);
}

#[test]
fn a_session_that_was_recorded_is_told_once_with_its_end() {
    let mut world = world(&[ConferencePlan {
        play_beep: PlayBeep::Never,
        record: true,
    }]);
    dial(&mut world, 0, 0, STARTER);
    dial(&mut world, 1, 0, STARTER);
    world.ticks(20).unwrap();
    world.hang_up(0).unwrap();
    world.hang_up(1).unwrap();
    let last = News::Status {
        status: ConferenceStatus::Empty,
        recorded: true,
    };
    assert_eq!(world.told()[&About::Conference(0)].last(), Some(&last));
    assert_eq!(world.told()[&About::Recordings(0)], [News::RecordingReady]);
}

#[test]
fn everybody_who_listens_hears_the_beeps() {
    let mut world = world(&[ConferencePlan {
        play_beep: PlayBeep::Always,
        record: false,
    }]);
    dial(&mut world, 0, 0, STARTER);
    world.ticks(60).unwrap();
    world.start_listening();
    dial(&mut world, 1, 0, STARTER);
    let deaf = How::ByScript {
        starts: false,
        talk: true,
        listen: false,
        notified: false,
        afterwards: Afterwards::Ends,
    };
    world.ticks(20).unwrap();
    for hz in ENTRY_TONES_HZ {
        assert!(
            beep_db(&mut world, 0, hz) > -10.0,
            "{hz}: {}",
            beep_db(&mut world, 0, hz)
        );
    }
    dial(&mut world, 2, 0, deaf);
    world.ticks(40).unwrap();
    world.start_listening();
    world.hang_up(1).unwrap();
    world.ticks(20).unwrap();
    for hz in EXIT_TONES_HZ {
        assert!(beep_db(&mut world, 0, hz) > -10.0);
        assert!(beep_db(&mut world, 2, hz) < -40.0);
    }
    let beeps: Vec<Beep> = world.beeps().into_iter().map(|(_, beep)| beep).collect();
    assert_eq!(beeps, [Beep::Entry, Beep::Entry, Beep::Entry, Beep::Exit]);
}

#[test]
fn a_script_speaks_before_it_bridges() {
    let mut world = world(&[QUIET]);
    dial(&mut world, 0, 0, STARTER);
    let conference = world.conference(0).unwrap();
    let commands = vec![
        Command::Say(Say {
            text: "Welcome".into(),
            language: "en-US".into(),
            repeat: Repeat::Times(1),
            conference: None,
            private: false,
        }),
        Command::AddToConference(AddToConference {
            conference,
            call: None,
            start_conf_on_enter: false,
            talk: true,
            listen: true,
            dtmf_pass_through: true,
            allow_call_control: false,
            call_control_sequence: None,
            call_control_url: None,
            leave_conference_url: None,
            notification_url: None,
        }),
    ];
    world
        .dial_script(1, Codec::Pcmu, Script { commands })
        .unwrap();
    let prompt = Voices::NONE.with(Voice::PROMPT);
    assert_eq!(all_hear(&mut world), [(0, Voices::NONE), (1, prompt)]);
    world.ticks(40).unwrap();
    assert_eq!(all_hear(&mut world), [(0, voices(&[1])), (1, voices(&[0]))]);
}

#[test]
fn a_key_is_told_once_and_not_heard() {
    let mut studio = studio();
    let voice = Mouth::Voice(Voice::of_caller(0));
    let presser = joined(&mut studio, Codec::Pcmu, voice, TALK_AND_LISTEN);
    let listener = joined(&mut studio, Codec::Pcmu, Mouth::Shut, LISTEN_ONLY);
    studio.ticks(30).unwrap();
    studio.caller(presser).unwrap().press(5);
    let sound = heard(&mut studio, listener, 30);
    let digits: Vec<char> = studio.events().iter().filter_map(digit).collect();
    assert_eq!(digits, ['5']);
    for hz in [770.0, 1_336.0] {
        assert!(
            level_db(&sound, 8_000, hz) < -24.0,
            "{hz}: {}",
            level_db(&sound, 8_000, hz)
        );
    }
}

#[test]
fn a_new_offer_keeps_both_directions() {
    let mut studio = studio();
    let mouth = || Mouth::Voice(Voice::of_caller(0));
    let caller = joined(&mut studio, Codec::Pcmu, mouth(), TALK_AND_LISTEN);
    let other = joined(
        &mut studio,
        Codec::Pcmu,
        Mouth::Voice(Voice::of_caller(1)),
        TALK_AND_LISTEN,
    );
    assert_eq!(
        they_hear(&mut studio, &[caller, other]),
        [voices(&[1]), voices(&[0])]
    );

    let description = studio.caller(caller).unwrap().description();
    studio.handle(EngineCommand::Reconfigure {
        slot: caller,
        description,
        media: None,
    });
    let (packets, _) = studio.caller(caller).unwrap().packets_and_gaps();
    assert_eq!(
        they_hear(&mut studio, &[caller, other]),
        [voices(&[1]), voices(&[0])]
    );
    let (more, gaps) = studio.caller(caller).unwrap().packets_and_gaps();
    assert_eq!((more - packets, gaps), (36, 0), "not a packet is missing");

    studio
        .caller(caller)
        .unwrap()
        .change_format(Format::plain(Codec::Opus), mouth())
        .unwrap();
    let description = studio.caller(caller).unwrap().description();
    let media = Some(Box::new(studio.media(description.clone()).unwrap()));
    studio.handle(EngineCommand::Reconfigure {
        slot: caller,
        description,
        media,
    });
    assert_eq!(
        they_hear(&mut studio, &[caller, other]),
        [voices(&[1]), voices(&[0])]
    );
}

#[test]
fn who_is_on_hold_is_sent_nothing_and_hears_again_afterwards() {
    let mut studio = studio();
    let caller = joined(&mut studio, Codec::Pcmu, Mouth::Shut, TALK_AND_LISTEN);
    let voice = Mouth::Voice(Voice::of_caller(1));
    joined(&mut studio, Codec::Pcmu, voice, TALK_AND_LISTEN);
    studio.ticks(20).unwrap();
    let description = studio.caller(caller).unwrap().description();
    let mut held = description.clone();
    held.flow = MediaFlow {
        send: false,
        receive: false,
    };
    studio.handle(EngineCommand::Reconfigure {
        slot: caller,
        description: held,
        media: None,
    });
    let (packets, _) = studio.caller(caller).unwrap().packets_and_gaps();
    studio.ticks(100).unwrap();
    assert_eq!(
        studio.caller(caller).unwrap().packets_and_gaps(),
        (packets, 0)
    );
    studio.handle(EngineCommand::Reconfigure {
        slot: caller,
        description,
        media: None,
    });
    assert_eq!(they_hear(&mut studio, &[caller]), [voices(&[1])]);
    assert_eq!(studio.caller(caller).unwrap().packets_and_gaps().1, 0);
}

#[test]
fn a_leg_that_moves_to_another_engine_loses_no_packet() {
    let mut here = studio();
    let mut there = Studio::new(Random::new(12), Repertoire::default(), 8, 1);
    there.open(ConferenceSlot(0), true);
    let voice = Mouth::Voice(Voice::of_caller(0));
    let mover = joined(&mut here, Codec::Pcmu, voice, TALK_AND_LISTEN);
    let left = joined(
        &mut here,
        Codec::Pcmu,
        Mouth::Voice(Voice::of_caller(1)),
        TALK_AND_LISTEN,
    );
    let found = joined(
        &mut there,
        Codec::Pcmu,
        Mouth::Voice(Voice::of_caller(2)),
        TALK_AND_LISTEN,
    );
    for _ in 0..50 {
        here.tick().unwrap();
        there.tick().unwrap();
    }
    let (caller, leg) = here.release(mover).unwrap();
    let slot = LegSlot(5);
    there.admit(slot, caller);
    there.handle(EngineCommand::AddLeg { slot, leg });
    there.join(slot, CONFERENCE, TALK_AND_LISTEN);
    for _ in 0..50 {
        here.tick().unwrap();
        there.tick().unwrap();
    }
    assert_eq!(they_hear(&mut here, &[left]), [Voices::NONE]);
    assert_eq!(
        they_hear(&mut there, &[slot, found]),
        [voices(&[2]), voices(&[0])]
    );
    assert_eq!(
        there.caller(slot).unwrap().packets_and_gaps(),
        (50 + 50 + 36, 0)
    );
    let counters = there.leg(slot).unwrap().receive_counters();
    assert_eq!(
        (counters.lost, counters.late, counters.discarded),
        (0, 0, 0),
        "{counters:?}"
    );
    assert_eq!(counters.concealed_samples, 0, "{counters:?}");
}

fn world(plans: &[ConferencePlan]) -> World {
    let mut world = World::new(1, &Repertoire::default());
    for plan in plans {
        world.create(*plan).unwrap().unwrap();
    }
    world
}

fn dial(world: &mut World, caller: usize, conference: usize, how: How) {
    world.dial(caller, Codec::Pcmu, conference, how).unwrap();
}

fn act(world: &mut World, action: Action) {
    world.act(&action, &[]).unwrap();
}

/// What everybody on the line hears, once things have settled.
fn all_hear(world: &mut World) -> Vec<(usize, Voices)> {
    settle_and_listen(world);
    let callers = world.callers();
    callers
        .into_iter()
        .map(|caller| {
            (
                caller,
                world
                    .caller(caller)
                    .unwrap()
                    .voices(Clarity::Clear)
                    .unwrap(),
            )
        })
        .collect()
}

fn settle_and_listen(world: &mut World) {
    world.ticks(20).unwrap();
    world.start_listening();
    world.ticks(10).unwrap();
}

/// What callers of a studio hear, once things have settled.
fn they_hear(studio: &mut Studio, callers: &[LegSlot]) -> Vec<Voices> {
    studio.ticks(20).unwrap();
    studio.callers().for_each(|caller| caller.start_listening());
    studio.ticks(16).unwrap();
    let hears = |slot: &LegSlot| {
        studio
            .caller(*slot)
            .unwrap()
            .voices(Clarity::Rough)
            .unwrap()
    };
    callers.iter().map(hears).collect()
}

fn beep_db(world: &mut World, caller: usize, hz: f32) -> f32 {
    let ear = world.caller(caller).unwrap();
    level_db(ear.heard(), ear.rate_hz(), hz)
}

fn digit<T>(event: &EngineEvent<T>) -> Option<char> {
    match event {
        EngineEvent::DigitPressed { digit, .. } => Some(digit.as_char()),
        EngineEvent::PromptFinished { .. }
        | EngineEvent::LegSilent { .. }
        | EngineEvent::Speaking { .. }
        | EngineEvent::Voice { .. }
        | EngineEvent::Wanted(_)
        | EngineEvent::Retired(_) => None,
    }
}

fn voices(callers: &[usize]) -> Voices {
    callers
        .iter()
        .map(|caller| Voice::of_caller(*caller))
        .collect()
}

fn music() -> Voices {
    Voices::NONE.with(Voice::MUSIC)
}
