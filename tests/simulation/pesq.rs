//! How good is speech that has gone through the engine? Judged by PESQ (ITU-T P.862), which a
//! Python package brings that `scripts/test` installs, on speech that somebody has read; without
//! them there is nothing to judge with.
//!
//! All sounds are made and judged once, by whichever test comes first; every score goes to
//! `target/quality.json` as well.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use tutti_media::{
    Audio, Decoder, Encoder, EncoderSettings, EngineCommand, FRAME_SAMPLES, LegSettings, LegSlot,
    PrivateTimes,
};
use tutti_model::{Codec, Format, Privileges};
use tutti_sim::{
    Bursts, Impairments, Mouth, Random, ReferenceMixer, Repertoire, Studio, Tape, tape,
};

use crate::report;
use crate::speech;
use crate::stage::*;

/// What is read, ten seconds each.
const VOICES: [&str; 2] = ["one", "two"];

/// How often a network loses other packets.
const SEEDS: [u64; 2] = [1, 2];

/// In percent, lost one by one.
const LOSSES: [u32; 5] = [0, 1, 3, 5, 10];

/// In percent, lost three at a time in the mean.
const BURSTS: [u32; 2] = [5, 10];

/// What the bridge's encoders aim at.
const BITRATE_BPS: u32 = 24_000;

/// How far below what it once was a score may fall.
const GATE: f64 = 0.1;

/// In how many ticks of twenty a thread hurries that is late now and then, and one that always is.
const HURRIES: [u32; 3] = [1, 5, 20];

/// What each codec was worth at each of [`LOSSES`], and at each of [`BURSTS`].
const GOLDEN: [(&str, [f64; 5], [f64; 2]); 4] = [
    ("PCMU", [4.39, 4.00, 3.55, 3.37, 2.95], [3.41, 2.83]),
    ("G.722", [4.28, 3.54, 2.94, 2.74, 2.08], [2.89, 2.14]),
    ("Opus", [4.31, 3.67, 2.90, 2.60, 2.01], [3.06, 2.21]),
    (
        "Opus with FEC",
        [4.25, 3.61, 3.53, 3.47, 3.08],
        [3.11, 2.32],
    ),
];

#[test]
fn speech_in_opus_at_24_kbit_is_as_good_as_the_codec_is() {
    let Some(scores) = scores() else { return };
    let alone = scores["Opus 24 kb/s alone"];
    let clean = scores["Opus 24 kb/s through the mix"];
    assert!(
        clean >= alone - 0.05,
        "{clean}, and the codec alone {alone}"
    );
    let levelled = scores["Opus 24 kb/s through the mix, levelled"];
    assert!(levelled >= clean - 0.15, "{levelled} of {clean}");
}

#[test]
fn changing_encoders_every_half_second_is_not_heard() {
    let Some(scores) = scores() else { return };
    for codec in ["Opus", "G.722"] {
        let stays = scores[&format!("{codec}, one encoder")];
        let switches = scores[&format!("{codec}, another encoder every 0.5 s")];
        assert!(
            (stays - switches).abs() <= 0.05,
            "{codec}: {stays} with one encoder, {switches} with two"
        );
    }
}

#[test]
fn whoever_says_a_word_now_and_then_hears_the_others_as_well_as_who_does_not() {
    let Some(scores) = scores() else { return };
    for codec in ["Opus", "G.722"] {
        let stays = scores[&format!("{codec}, one encoder")];
        let speaks = scores[&format!("{codec}, a word of one's own every 2 s")];
        assert!(
            speaks >= stays - 0.05,
            "{codec}: {stays} for who is silent, {speaks} for who is not"
        );
    }
}

#[test]
fn a_hurry_now_and_then_is_hardly_heard_and_one_without_end_is_better_than_a_packet_lost_in_a_hundred()
 {
    let Some(scores) = scores() else { return };
    let clean = scores["Opus 24 kb/s through the mix"];
    let lossy = scores["Opus, 1 % lost one by one"];
    let [seldom, often, always] = HURRIES.map(|ticks| scores[&hurried_name(ticks)]);
    assert!(seldom >= clean - 0.1, "{seldom}, without a hurry {clean}");
    assert!(often >= clean - 0.2, "{often}, without a hurry {clean}");
    assert!(always >= lossy + 0.1, "{always}, with losses {lossy}");
}

#[test]
fn opus_with_fec_is_good_at_5_percent_loss_and_fair_at_10_with_40_ms_of_jitter() {
    let Some(scores) = scores() else { return };
    let at = |loss: u32| scores[&format!("Opus with FEC, {loss} % lost, 40 ms of jitter")];
    assert!(at(5) >= 3.3, "{}", at(5));
    assert!(at(10) >= 2.8, "{}", at(10));
}

#[test]
fn no_codec_is_worse_than_it_was_at_any_loss() {
    let Some(scores) = scores() else { return };
    let mut worse = Vec::new();
    for (codec, one_by_one, in_bursts) in GOLDEN {
        let one_by_one = LOSSES
            .into_iter()
            .zip(one_by_one)
            .map(|cell| (cell, "one by one"));
        let in_bursts = BURSTS
            .into_iter()
            .zip(in_bursts)
            .map(|cell| (cell, "in bursts"));
        for ((loss, golden), how) in one_by_one.chain(in_bursts) {
            let name = format!("{codec}, {loss} % lost {how}");
            let score = scores[&name];
            if score < golden - GATE {
                worse.push(format!("{name}: {score:.2}, and was {golden:.2}"));
            }
        }
    }
    assert!(worse.is_empty(), "\n{}", worse.join("\n"));
}

#[test]
fn twelve_loud_talkers_are_as_good_as_their_ideal_sum() {
    let Some(scores) = scores() else { return };
    let score = scores["12 loud talkers, against their sum"];
    assert!(score >= 3.5, "{score}");
}

/// A whisper of 0.4 s every two seconds.
fn words(seconds: u32) -> Audio {
    let mut words = whisper(seconds).to_vec();
    for second in words.chunks_mut(48_000).skip(1).step_by(2) {
        second.fill(0.0);
    }
    words.into()
}

/// Every score by its name; [`None`], and a word about it, where there is nothing to judge with.
fn scores() -> Option<&'static BTreeMap<String, f64>> {
    static SCORES: OnceLock<Option<BTreeMap<String, f64>>> = OnceLock::new();
    SCORES.get_or_init(judge_everything).as_ref()
}

fn judge_everything() -> Option<BTreeMap<String, f64>> {
    let python = report::target().join("pesq/bin/python");
    let has = |command: &mut Command| {
        let quiet = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    let has_pesq = has(Command::new(&python).args(["-c", "import pesq"]));
    if !has_pesq || !Path::new(speech::FOLDER).is_dir() {
        speech::skipped("speech quality is not judged");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("quality");
    std::fs::create_dir_all(&folder).unwrap();
    let judge = Judge { python, folder };
    judge.prepare_speech();
    let scores = judge.score(&judge.sounds());
    let figures: Vec<_> = scores
        .iter()
        .map(|(name, score)| (name.as_str(), *score, "MOS-LQO"))
        .collect();
    report::write("cargo test --test simulation pesq", &figures);
    Some(scores)
}

/// What is to be judged: one part of a score.
struct Sound {
    name: String,
    /// Wide-band, or for a narrow-band codec not.
    mode: &'static str,
    ideal: PathBuf,
    heard: PathBuf,
}

struct Judge {
    python: PathBuf,
    folder: PathBuf,
}

impl Judge {
    fn script(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.python);
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/python/quality.py");
        command.arg("-B").arg(script).arg(verb);
        command
    }

    fn prepare_speech(&self) {
        let done = self.script("speech").arg(&self.folder).status().unwrap();
        assert!(done.success(), "the speech cannot be prepared");
    }

    /// The mean score of every name.
    fn score(&self, sounds: &[Sound]) -> BTreeMap<String, f64> {
        let mut scorer = self
            .script("score")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut tasks = String::new();
        for Sound {
            name,
            mode,
            ideal,
            heard,
        } in sounds
        {
            let task = json!({ "name": name, "mode": mode, "ideal": ideal, "heard": heard });
            tasks += &format!("{task}\n");
        }
        scorer
            .stdin
            .take()
            .unwrap()
            .write_all(tasks.as_bytes())
            .unwrap();
        let output = scorer.wait_with_output().unwrap();
        assert!(output.status.success(), "PESQ fails");
        let mut scores: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let score: Value = serde_json::from_str(line).unwrap();
            let name = score["name"].as_str().unwrap().to_owned();
            scores
                .entry(name)
                .or_default()
                .push(score["score"].as_f64().unwrap());
        }
        assert_eq!(scores.values().map(Vec::len).sum::<usize>(), sounds.len());
        let mean = |scores: Vec<f64>| scores.iter().sum::<f64>() / scores.len() as f64;
        scores
            .into_iter()
            .map(|(name, scores)| (name, mean(scores)))
            .inspect(|(name, score)| println!("{score:.2}  {name}"))
            .collect()
    }

    /// Everything that is judged.
    fn sounds(&self) -> Vec<Sound> {
        let mut sounds = Vec::new();
        for voice in VOICES {
            let said = self.said(voice);
            sounds.push(self.alone(voice, &said));
            sounds.push(self.clean(voice, &said, false));
            sounds.push(self.clean(voice, &said, true));
            sounds.extend(HURRIES.map(|ticks| self.hurried(voice, &said, ticks)));
            for (name, codec) in [("Opus", Codec::Opus), ("G.722", Codec::G722)] {
                sounds.extend(self.hand_over(voice, &said, name, codec));
            }
            for seed in SEEDS {
                for loss in [5, 10] {
                    let jittery = Impairments {
                        loss: f64::from(loss) / 100.0,
                        jitter: Duration::from_millis(40),
                        ..Impairments::NONE
                    };
                    let name = format!("Opus with FEC, {loss} % lost, 40 ms of jitter");
                    let fec = format(Codec::Opus);
                    sounds.push(self.received(voice, &said, name, fec, jittery, seed));
                }
            }
            sounds.extend(self.grid(voice, &said));
        }
        sounds.push(self.overload());
        sounds
    }

    /// An encoder and a decoder, and no bridge.
    fn alone(&self, voice: &str, said: &Audio) -> Sound {
        let settings = EncoderSettings {
            bitrate_bps: BITRATE_BPS,
            ..EncoderSettings::default()
        };
        let mut encoder = Encoder::new(&Format::plain(Codec::Opus), settings).unwrap();
        let mut decoder = Decoder::new(Codec::Opus).unwrap();
        let (mut payload, mut samples) = ([0; 1_500], [0.0; FRAME_SAMPLES]);
        let mut ear = Vec::new();
        for frame in said.chunks_exact(FRAME_SAMPLES) {
            let len = encoder
                .encode(frame.try_into().unwrap(), &mut payload)
                .unwrap();
            decoder.decode(&payload[..len], &mut samples).unwrap();
            ear.extend(samples);
        }
        self.sound("Opus 24 kb/s alone".to_owned(), "wb", voice, &(48_000, ear))
    }

    /// Linear samples in, Opus out: the bridge's own encoder and nothing else.
    fn clean(&self, voice: &str, said: &Audio, levelled: bool) -> Sound {
        let settings = if levelled {
            LegSettings::default()
        } else {
            plain_settings()
        };
        let mut studio = quality_studio(settings, 1);
        let talker = silent(&mut studio, Format::plain(Codec::L16At48), TALK_AND_LISTEN);
        let listener = silent(&mut studio, Format::plain(Codec::Opus), LISTEN_ONLY);
        say(&mut studio, talker, said);
        let ear = listen(&mut studio, listener, said);
        let after = if levelled { ", levelled" } else { "" };
        let name = format!("Opus 24 kb/s through the mix{after}");
        self.sound(name, "wb", voice, &ear)
    }

    /// The same from a thread that is late again and again, and hurries for so many ticks in twenty.
    fn hurried(&self, voice: &str, said: &Audio, ticks: u32) -> Sound {
        let mut studio = quality_studio(plain_settings(), 1);
        let talker = silent(&mut studio, Format::plain(Codec::L16At48), TALK_AND_LISTEN);
        let listener = silent(&mut studio, Format::plain(Codec::Opus), LISTEN_ONLY);
        say(&mut studio, talker, said);
        let mut ear = Vec::new();
        for tick in 0..said.len() as u32 / 960 + 10 {
            studio.hurry(tick % 20 < ticks);
            ear.extend(heard(&mut studio, listener, 1));
        }
        self.sound(hurried_name(ticks), "wb", voice, &(48_000, ear))
    }

    /// Somebody who stays with one encoder, somebody who changes it whatever is said, and somebody who
    /// says a word every two seconds and returns as everybody does.
    fn hand_over(&self, voice: &str, said: &Audio, name: &str, codec: Codec) -> [Sound; 3] {
        let at_once = PrivateTimes {
            least: Duration::from_millis(100),
            most: Duration::from_millis(100),
        };
        let usual = PrivateTimes::default();
        let seconds = (said.len() / 48_000) as u32;
        let ways = [
            ("one encoder", at_once, whisper(0), 0),
            (
                "another encoder every 0.5 s",
                at_once,
                whisper(seconds),
                seconds - 2,
            ),
            (
                "a word of one's own every 2 s",
                usual,
                words(seconds),
                seconds / 4,
            ),
        ];
        ways.map(|(way, private, own, least)| {
            let settings = LegSettings {
                private,
                ..plain_settings()
            };
            let mut studio = quality_studio(settings, 1);
            let talker = silent(&mut studio, Format::plain(Codec::L16At48), TALK_AND_LISTEN);
            // So that there is an encoder to leave and to come back to.
            let stays = silent(&mut studio, Format::plain(codec), LISTEN_ONLY);
            let listener = silent(&mut studio, Format::plain(codec), TALK_AND_LISTEN);
            studio.ticks(50).unwrap();
            say(&mut studio, talker, said);
            say(&mut studio, listener, &own);
            studio.caller(stays).unwrap().start_listening();
            let ear = listen(&mut studio, listener, said);
            let changes = changes(&mut studio, listener, stays);
            // Where both encoders come to the same bits, as G.722's do, a change does not show.
            assert!(changes >= least, "{name}, {way}: {changes} changes");
            self.sound(format!("{name}, {way}"), "wb", voice, &ear)
        })
    }

    /// Every codec at every loss.
    fn grid(&self, voice: &str, said: &Audio) -> Vec<Sound> {
        let codecs = [
            ("PCMU", Format::plain(Codec::Pcmu)),
            ("G.722", Format::plain(Codec::G722)),
            ("Opus", Format::plain(Codec::Opus)),
            ("Opus with FEC", format(Codec::Opus)),
        ];
        let part = |percent: u32| f64::from(percent) / 100.0;
        let one_by_one = LOSSES.map(|loss| {
            let impairments = Impairments {
                loss: part(loss),
                ..Impairments::NONE
            };
            (loss, "one by one", impairments)
        });
        let in_bursts = BURSTS.map(|loss| {
            let impairments = Impairments {
                bursts: Some(Bursts::of(part(loss), 3.0)),
                ..Impairments::NONE
            };
            (loss, "in bursts", impairments)
        });
        let mut sounds = Vec::new();
        for (codec, format) in codecs {
            for (loss, how, impairments) in one_by_one.into_iter().chain(in_bursts) {
                let name = format!("{codec}, {loss} % lost {how}");
                let seed = SEEDS[usize::from(voice == VOICES[0])];
                sounds.push(self.received(voice, said, name, format, impairments, seed));
            }
        }
        sounds
    }

    /// A codec in over some network, linear samples out: the receive path and nothing else.
    fn received(
        &self,
        voice: &str,
        said: &Audio,
        name: String,
        format: Format,
        impairments: Impairments,
        seed: u64,
    ) -> Sound {
        let mut studio = quality_studio(plain_settings(), seed);
        let talker = silent(&mut studio, format, TALK_AND_LISTEN);
        let listener = silent(&mut studio, Format::plain(Codec::L16At48), LISTEN_ONLY);
        studio.caller(talker).unwrap().impair(impairments);
        // Five seconds to get used to the network.
        studio.ticks(250).unwrap();
        say(&mut studio, talker, said);
        let ear = listen(&mut studio, listener, said);
        let mode = match format.codec {
            Codec::Pcmu | Codec::Pcma => "nb",
            Codec::Opus | Codec::G722 | Codec::L16At16 | Codec::L16At48 => "wb",
        };
        let at = (name.clone(), seed);
        self.sound_at(name, mode, voice, &ear, &format!("{at:?}"))
    }

    /// Twelve who speak at once, as loud as samples can be, against their sum made softer.
    fn overload(&self) -> Sound {
        let mut studio = quality_studio(plain_settings(), 1);
        let voices = VOICES.map(|voice| self.said(voice));
        let length = voices[0].len().min(voices[1].len());
        let talkers: Vec<LegSlot> = (0..12)
            .map(|_| silent(&mut studio, Format::plain(Codec::L16At48), TALK_AND_LISTEN))
            .collect();
        let listener = silent(&mut studio, Format::plain(Codec::L16At48), LISTEN_ONLY);
        let mut tapes = Vec::new();
        for (number, talker) in talkers.into_iter().enumerate() {
            let voice = &voices[number % 2];
            let louder = 0.9 / peak(voice);
            // Each begins elsewhere in what there is to read.
            let from = number * length / 13;
            let said: Audio = (0..length)
                .map(|n| voice[(n + from) % length] * louder)
                .collect();
            say(&mut studio, talker, &said);
            let (head, tape) = tape();
            studio.handle(EngineCommand::StartTrack {
                slot: talker,
                tap: Box::new(head),
            });
            tapes.push(tape);
        }
        let (rate, ear) = listen(&mut studio, listener, &voices[0]);
        let reference = ReferenceMixer::new(tapes.iter().map(Tape::samples).collect());
        let sum = reference.hears(None);
        // Tracks are aligned with their conference, which is older.
        let sum: Vec<f32> = sum[sum.len() - ear.len()..]
            .iter()
            .map(|sample| *sample as f32)
            .collect();
        let softer = 0.9 / peak(&sum);
        let sum: Vec<f32> = sum.iter().map(|sample| sample * softer).collect();
        write_wav(&self.folder.join("sum.wav"), 48_000, &sum);
        let name = "12 loud talkers, against their sum".to_owned();
        self.sound(name, "wb", "sum", &(rate, ear))
    }

    /// What a voice says, at 48 kHz, with a pause before and after it.
    fn said(&self, voice: &str) -> Audio {
        let mut file =
            hound::WavReader::open(self.folder.join(voice).with_extension("wav")).unwrap();
        let pause = std::iter::repeat_n(0.0, 9_600);
        let samples: Vec<i16> = file.samples().map(Result::unwrap).collect();
        let samples = samples
            .into_iter()
            .map(|sample| f32::from(sample) / 32_768.0);
        pause.clone().chain(samples).chain(pause).collect()
    }

    fn sound(&self, name: String, mode: &'static str, voice: &str, ear: &(u32, Vec<f32>)) -> Sound {
        let at = name.clone();
        self.sound_at(name, mode, voice, ear, &at)
    }

    fn sound_at(
        &self,
        name: String,
        mode: &'static str,
        voice: &str,
        (rate, samples): &(u32, Vec<f32>),
        file: &str,
    ) -> Sound {
        let plain: String = file.chars().filter(char::is_ascii_alphanumeric).collect();
        let heard = self.folder.join(format!("{plain}-{voice}.wav"));
        write_wav(&heard, *rate, samples);
        let ideal = self.folder.join(voice).with_extension("wav");
        Sound {
            name,
            mode,
            ideal,
            heard,
        }
    }
}

/// A studio whose encoders make 24 kb/s.
fn quality_studio(settings: LegSettings, seed: u64) -> Studio {
    let mut studio = Studio::new(Random::new(seed), Repertoire::default(), 16, 1);
    let encoder = EncoderSettings {
        bitrate_bps: BITRATE_BPS,
        ..settings.encoder
    };
    studio.set_settings(LegSettings {
        encoder,
        ..settings
    });
    studio.open(CONFERENCE, true);
    studio
}

/// Somebody who is in the conference and sends silence.
fn silent(studio: &mut Studio, format: Format, may: Privileges) -> LegSlot {
    let slot = connected_with(studio, format, Mouth::Sound([].into()));
    studio.join(slot, CONFERENCE, may);
    studio.ticks(25).unwrap();
    slot
}

fn say(studio: &mut Studio, slot: LegSlot, said: &Audio) {
    let mouth = Mouth::Sound(Audio::clone(said));
    studio.caller(slot).unwrap().say(mouth).unwrap();
}

fn hurried_name(ticks: u32) -> String {
    format!("Opus 24 kb/s through the mix, {ticks} ticks in 20 in a hurry")
}

/// What somebody hears until all has been said, and its rate.
fn listen(studio: &mut Studio, slot: LegSlot, said: &Audio) -> (u32, Vec<f32>) {
    let ear = heard(studio, slot, said.len() as u32 / 960 + 10);
    (studio.caller(slot).unwrap().rate_hz(), ear)
}

fn write_wav(path: &Path, rate: u32, samples: &[f32]) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        file.write_sample((sample * 32_767.0) as i16).unwrap();
    }
    file.finalize().unwrap();
}
