//! What an engine was given is enough to have all that it sent again, bit by bit.

use std::collections::BTreeMap;
use std::time::Duration;

use tutti_media::{ConferenceSlot, LegSettings, LegSlot, PromptAudio};
use tutti_model::{Beep, CallId, Codec, Gains, Privileges, PromptId, Repeat};
use tutti_sim::{Bursts, Cue, Deck, Impairments, Mouth, Random, Studio, Take, Talk, Trace, Voice};

use crate::stage::*;

const LEGS: u16 = 32;
const CONFERENCES: u16 = 4;

#[test]
fn a_recorded_run_that_is_read_again_sends_the_same_bits() {
    let (take, sent) = recorded_run();
    assert!(sent.len() > 12, "{}", sent.len());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), take.as_bytes()).unwrap();
    let read = Take::from_bytes(std::fs::read(file.path()).unwrap()).unwrap();
    for _ in 0..2 {
        let mut deck = Deck::new(LegSettings::default(), LEGS, CONFERENCES);
        deck.play(&read).unwrap();
        assert_eq!(deck.digests(), sent);
    }
}

#[test]
fn a_single_packet_that_differs_is_noticed() {
    let (take, sent) = recorded_run();
    // One talker may be muted just then; not five in a row.
    let noticed = (0..5).any(|turn| {
        let mut deck = Deck::new(LegSettings::default(), LEGS, CONFERENCES);
        deck.play(&with_another_packet(&take, 2_000 + 111 * turn))
            .unwrap();
        deck.digests() != sent
    });
    assert!(noticed);
}

/// The same take, but that one packet of audio says something else.
fn with_another_packet(take: &Take, number: usize) -> Take {
    let mut other = Take::new();
    let mut packets = 0;
    for cue in take.cues() {
        let mut cue = cue.unwrap();
        if let Cue::Datagram { bytes, .. } = &mut cue {
            packets += 1;
            if packets == number {
                bytes.iter_mut().skip(40).for_each(|byte| *byte ^= 0x55);
            }
        }
        other.add(&cue);
    }
    other
}

/// Twenty seconds in which much happens, and a checksum of what each call was sent.
fn recorded_run() -> (Take, BTreeMap<CallId, u64>) {
    let mut studio = Studio::new(
        Random::new(21),
        tutti_sim::Repertoire::default(),
        LEGS,
        CONFERENCES,
    );
    studio.record();
    for slot in 0..2 {
        studio.open(ConferenceSlot(slot), true);
    }
    let mut sent = BTreeMap::new();
    let mut random = Random::new(22);
    let mut legs: Vec<LegSlot> = Vec::new();
    for number in 0..10 {
        legs.push(newcomer(&mut studio, number));
    }
    for tick in 0..1_000_u64 {
        let slot = legs[random.below(legs.len())];
        let conference = ConferenceSlot(random.below(2) as u16);
        match tick % 29 {
            0 => studio
                .cue(Cue::SetPrivileges {
                    slot,
                    privileges: privileges(&mut random),
                })
                .unwrap(),
            4 => studio.join(slot, conference, privileges(&mut random)),
            7 => studio
                .cue(Cue::Beep {
                    conference,
                    beep: Beep::Entry,
                })
                .unwrap(),
            9 => {
                let gains = Gains {
                    input_db: -3,
                    output_db: 6,
                };
                studio.cue(Cue::SetGains { slot, gains }).unwrap();
            }
            11 => studio
                .cue(Cue::PlayMusic {
                    conference,
                    audio: Voice::MUSIC.second(),
                })
                .unwrap(),
            13 => studio.cue(Cue::StopMusic { conference }).unwrap(),
            15 => {
                let audio = PromptAudio::Sound(Voice::PROMPT.second());
                let (prompt, repeat) = (PromptId(tick), Repeat::Times(2));
                studio
                    .cue(Cue::PlayPrompt {
                        slot,
                        prompt,
                        audio,
                        repeat,
                    })
                    .unwrap();
            }
            17 => studio.cue(Cue::Leave { slot }).unwrap(),
            19 => {
                let description = studio.caller(slot).unwrap().description();
                let identity = Some(studio.identity());
                studio
                    .cue(Cue::Reconfigure {
                        slot,
                        description,
                        identity,
                    })
                    .unwrap();
            }
            23 => {
                let (caller, _) = studio.release(slot).unwrap();
                sent.insert(caller.call(), caller.digest());
                legs.retain(|leg| *leg != slot);
                legs.push(newcomer(&mut studio, 20 + (tick / 29) as u16));
            }
            _ => {}
        }
        if tick % 31 == 0 {
            studio
                .caller(slot)
                .map(|caller| caller.impair(network(tick)))
                .unwrap_or_default();
        }
        if tick % 37 == 0 {
            studio.late_tick(Duration::from_millis(7)).unwrap();
        } else {
            studio.tick().unwrap();
        }
        drop(studio.events());
    }
    for caller in studio.callers() {
        sent.insert(caller.call(), caller.digest());
    }
    (studio.take().unwrap(), sent)
}

fn newcomer(studio: &mut Studio, number: u16) -> LegSlot {
    let codecs = [
        Codec::Pcmu,
        Codec::Opus,
        Codec::Pcma,
        Codec::G722,
        Codec::L16At16,
    ];
    let said = Talk::new(Random::new(number.into()), 100.0).seconds(20.0, -24.0);
    let mut id = [9; 20];
    id[..2].copy_from_slice(&number.to_be_bytes());
    let setup = tutti_sim::CallerSetup {
        call: CallId::from_bytes(id),
        number,
        format: format(codecs[usize::from(number) % codecs.len()]),
        mouth: Mouth::Sound(said),
    };
    let slot = studio.connect(setup).unwrap().unwrap();
    studio.join(slot, ConferenceSlot(number % 2), TALK_AND_LISTEN);
    slot
}

fn privileges(random: &mut Random) -> Privileges {
    Privileges {
        talk: random.chance(0.7),
        listen: random.chance(0.8),
    }
}

/// Another network every time.
fn network(tick: u64) -> Impairments {
    Impairments {
        loss: if tick.is_multiple_of(2) { 0.05 } else { 0.0 },
        bursts: tick.is_multiple_of(3).then(|| Bursts::of(0.05, 4.0)),
        duplicates: 0.02,
        trace: if tick.is_multiple_of(5) {
            Trace::Lte
        } else {
            Trace::Wifi
        },
        ..Impairments::NONE
    }
}
