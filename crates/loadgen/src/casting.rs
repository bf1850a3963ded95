//! Who is in which conference, with which voice, and how does everybody send and listen?

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use tutti_model::Codec;

use crate::caller::CallerPlan;
use crate::codec::{pcm_rate_hz, recital_rate_hz};
use crate::ear::{Audible, Sound, Vocabulary};
use crate::floor::Floor;
use crate::impairment::Impairments;
use crate::leg::{Habits, PipPart, Says, Speech};
use crate::load::LoadArgs;
use crate::pip::PipRota;
use crate::recital::{Quiet, Recital, Reciter};
use crate::resample::resample;
use crate::speech::{RATE_HZ, Speeches};
use crate::voice::{Manner, Talker, Voice};

/// How many voices of other conferences an ear knows, to find cross-talk.
const STRANGERS: usize = 8;

/// After this many frames all tones of all voices are where they were: 2 s.
const TONES_FRAMES: usize = 100;

/// How far apart callers are in what they recite, in frames: no divisor of anything that repeats.
const RECITAL_STRIDE: usize = 37;

/// How much later each conference changes its talker than the one before.
const FLOOR_STRIDE: Duration = Duration::from_millis(370);

/// One caller's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) caller: usize,
    pub(crate) conference: usize,
    /// Which talker of its conference it is.
    pub(crate) talker: Option<usize>,
    /// It decodes what it hears; others count.
    pub(crate) has_ears: bool,
}

/// Who is in which conference with which voice.
pub(crate) struct Casting {
    targets: Vec<String>,
    ip: std::net::IpAddr,
    codec: Codec,
    manner: Manner,
    quiet: Quiet,
    impairments: Impairments,
    /// Callers of one conference, where conferences are filled one after the other.
    per_conference: Option<usize>,
    talkers: usize,
    /// With no more callers than this, everybody has ears.
    ears: usize,
    /// One caller in so many has ears, besides the first ones.
    ears_stride: usize,
    /// The delay is measured in the first so many conferences.
    delay_conferences: usize,
    vocabularies: Vec<Vocabulary>,
    rotas: Vec<Arc<PipRota>>,
    floors: Vec<Arc<Floor>>,
    words: Words,
}

/// What callers say and send, prepared once for all.
struct Words {
    quiet: Arc<Recital>,
    /// Of each speaker; nothing where callers speak in tones.
    speeches: Vec<Speaker>,
    /// Tones that somebody recites, by voice.
    tones: Mutex<BTreeMap<Voice, Arc<Recital>>>,
}

struct Speaker {
    recited: Arc<Recital>,
    live: Arc<[f32]>,
}

impl Casting {
    /// Prepares everything that callers may say.
    ///
    /// # Errors
    /// When the speech cannot be read, or a codec does not do its work.
    pub(crate) fn new(args: &LoadArgs, targets: Vec<String>) -> anyhow::Result<Casting> {
        let conferences = targets.len().max(1);
        let callers = args.callers as usize;
        let per_conference = args.per_conference.map(|callers| callers as usize);
        // With fewer callers than wanted talkers, everybody talks.
        let most = per_conference.unwrap_or_else(|| callers.div_ceil(conferences));
        let talkers = (args.talkers as usize).min(most);
        let ears = args.ears as usize;
        let delay_conferences = match (args.no_delay || talkers == 0, per_conference) {
            (true, _) => 0,
            (false, _) if callers <= ears => conferences,
            (false, Some(callers)) => (ears / 2).div_ceil(callers),
            (false, None) => ears / 2,
        };
        let now = Instant::now();
        let offset = |conference: usize| {
            FLOOR_STRIDE * u32::try_from(conference % 1_000).unwrap_or_default()
        };
        let takes_turns = args.manner == Manner::Turns;
        // Where talkers take turns, so do their pips: whoever has the floor sends them.
        let pip_talkers = if takes_turns { 1 } else { talkers };
        let floor = |conference| Arc::new(Floor::new(talkers, now, offset(conference)));
        let says_tones = args.speech.is_none() && args.listeners_send != Quiet::Voice;
        Ok(Casting {
            ip: args.ip,
            codec: args.codec.codec(),
            manner: args.manner,
            quiet: args.listeners_send,
            impairments: args.impairments(),
            per_conference,
            talkers,
            ears,
            ears_stride: callers.div_ceil((ears / 2).max(1)).max(1),
            delay_conferences: delay_conferences.min(conferences),
            vocabularies: (0..conferences)
                .map(|conference| match says_tones {
                    true => voices_around(conference, conferences, talkers),
                    false => Vocabulary::new(vec![Sound::anything("anybody")]),
                })
                .collect(),
            rotas: (0..delay_conferences.min(conferences))
                .map(|_| Arc::new(PipRota::new(pip_talkers, now)))
                .collect(),
            floors: match takes_turns {
                true => (0..conferences).map(floor).collect(),
                false => Vec::new(),
            },
            words: Words::new(args, !says_tones, delay_conferences > 0)?,
            targets,
        })
    }

    /// How many conferences this many callers are in.
    pub(crate) fn conferences_of(&self, callers: usize) -> usize {
        match self.per_conference {
            Some(each) => callers.div_ceil(each).min(self.targets.len()),
            None => self.targets.len().min(callers),
        }
    }

    /// How many callers there is a place for, if that is bounded.
    pub(crate) fn most_callers(&self) -> Option<usize> {
        self.per_conference.map(|each| each * self.targets.len())
    }

    /// By how many callers a load grows at least: a conference that is filled stays whole.
    pub(crate) fn step(&self) -> usize {
        self.per_conference.unwrap_or(1)
    }

    pub(crate) fn talkers(&self) -> usize {
        self.talkers
    }

    pub(crate) fn manner(&self) -> Manner {
        self.manner
    }

    /// Whether anybody's tones tell who speaks.
    pub(crate) fn tells_voices_apart(&self) -> bool {
        self.words.speeches.is_empty()
    }

    /// The part of the caller who calls as the n-th.
    pub(crate) fn part(&self, caller: usize) -> Part {
        let conferences = self.targets.len();
        let (conference, place) = match self.per_conference {
            Some(each) => (caller / each % conferences, caller % each),
            None => (caller % conferences, caller / conferences),
        };
        let is_sampled = caller < self.ears.div_ceil(2) || caller.is_multiple_of(self.ears_stride);
        Part {
            caller,
            conference,
            talker: (place < self.talkers).then_some(place),
            has_ears: self.ears > 0 && is_sampled,
        }
    }

    pub(crate) fn vocabulary_of(&self, part: &Part) -> Vocabulary {
        self.vocabularies[part.conference].clone()
    }

    /// Whether a caller says anything at all.
    pub(crate) fn is_said_by(&self, part: &Part) -> bool {
        part.talker.is_some() || self.quiet == Quiet::Voice
    }

    pub(crate) fn plan(&self, part: &Part) -> anyhow::Result<(CallerPlan, Habits)> {
        let voice = |talker| voice_of(part.conference, talker, self.talkers);
        let measures_delay = part.conference < self.delay_conferences;
        let rota = self.rotas.get(part.conference).filter(|_| measures_delay);
        let floor = self.floors.get(part.conference).zip(part.talker);
        let own = part.talker.filter(|_| self.tells_voices_apart());
        let pip_talker = part
            .talker
            .map(|talker| if floor.is_some() { 0 } else { talker });
        let plan = CallerPlan {
            from: format!("sip:load-{}@{}", part.caller, self.ip),
            target: self.targets[part.conference].clone(),
            codec: self.codec,
            speech: part.talker.map(|talker| Speech {
                voice: voice(talker),
                manner: self.manner,
            }),
            vocabulary: self.vocabulary_of(part),
            own,
            pips: rota
                .filter(|_| part.has_ears || part.talker.is_some())
                .map(|rota| PipPart {
                    rota: Arc::clone(rota),
                    talker: pip_talker,
                }),
            recording: None,
        };
        let habits = Habits {
            says: self.says(part, measures_delay)?,
            quiet: Some(Reciter::new(
                Arc::clone(&self.words.quiet),
                part.caller * RECITAL_STRIDE % 200,
            )),
            floor: floor.map(|(floor, talker)| (Arc::clone(floor), talker)),
            counts_only: !part.has_ears,
            dtx: self.quiet == Quiet::Dtx,
            impairments: self.impairments,
        };
        Ok((plan, habits))
    }

    fn says(&self, part: &Part, is_live: bool) -> anyhow::Result<Option<Says>> {
        if !self.is_said_by(part) {
            return Ok(None);
        }
        let speaker = part.caller % self.words.speeches.len().max(1);
        let offset = part.caller * RECITAL_STRIDE;
        Ok(match (self.words.speeches.get(speaker), part.talker) {
            (Some(speaker), Some(_)) if is_live => Some(Says::Live(Arc::clone(&speaker.live))),
            (Some(speaker), _) => Some(Says::Recited(Reciter::new(
                Arc::clone(&speaker.recited),
                offset,
            ))),
            // Few talk in tones and are listened to: they may as well speak live.
            (None, Some(_)) if is_live || part.has_ears => None,
            (None, Some(talker)) => {
                let voice = voice_of(part.conference, talker, self.talkers);
                let recital = self.words.tones(self.codec, voice, self.manner)?;
                Some(Says::Recited(Reciter::new(recital, offset)))
            }
            (None, None) => None,
        })
    }

    /// What a caller must hear of those who are there.
    pub(crate) fn must_hear(&self, part: &Part, present: &[Part]) -> Audible {
        let others = present
            .iter()
            .filter(|other| other.conference == part.conference && *other != part);
        if self.tells_voices_apart() {
            others.filter_map(|other| other.talker).collect()
        } else {
            let mut speaking = others.filter(|other| self.is_said_by(other));
            speaking.next().map(|_| 0).into_iter().collect()
        }
    }
}

impl Words {
    fn new(args: &LoadArgs, speaks: bool, measures_delay: bool) -> anyhow::Result<Words> {
        let codec = args.codec.codec();
        let quiet = Recital::of_quiet(codec, args.listeners_send).context("encoding silence")?;
        let loss_percent = args.loss.clamp(0.0, 100.0) as u8;
        let speeches = match &args.speech {
            Some(Some(path)) => {
                Some(Speeches::recorded(path).with_context(|| path.display().to_string())?)
            }
            Some(None) => Some(Speeches::built_in()),
            None => speaks.then(Speeches::built_in),
        };
        let speakers = match args.listeners_send {
            Quiet::Voice => usize::MAX,
            Quiet::Silence | Quiet::Noise | Quiet::Dtx | Quiet::Nothing => args.talkers as usize,
        };
        let speakers = speeches.iter().flat_map(|speeches| {
            (0..speeches.count().min(speakers)).map(|speaker| {
                let speech = speeches.of_talker(speaker, args.manner);
                let sound = resample(&speech, RATE_HZ, recital_rate_hz(codec));
                let live = match measures_delay {
                    true => speeches.beside_pips(speaker, args.manner, pcm_rate_hz(codec)),
                    false => Arc::from([]),
                };
                let recited = Recital::of_sound(codec, &sound, loss_percent)?;
                let recited = Arc::new(recited);
                anyhow::Ok(Speaker { recited, live })
            })
        });
        Ok(Words {
            quiet: Arc::new(quiet),
            speeches: speakers
                .collect::<Result<_, _>>()
                .context("encoding speech")?,
            tones: Mutex::default(),
        })
    }

    /// A voice's tones, encoded when they are asked for first.
    fn tones(&self, codec: Codec, voice: Voice, manner: Manner) -> anyhow::Result<Arc<Recital>> {
        let mut tones = self.tones.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tones.get(&voice) {
            return Ok(Arc::clone(known));
        }
        let rate_hz = recital_rate_hz(codec);
        let mut talker = Talker::new(voice, manner, rate_hz);
        let samples = TONES_FRAMES * rate_hz as usize / 50;
        // The voice fades in once, before what is repeated.
        let mut sound = vec![0.0; 2 * samples];
        talker.speak(true, &mut sound);
        let recital = Arc::new(Recital::of_sound(codec, &sound[samples..], 0)?);
        tones.insert(voice, Arc::clone(&recital));
        Ok(recital)
    }
}

/// The voices of a conference's talkers, and a few of other conferences.
fn voices_around(conference: usize, conferences: usize, talkers: usize) -> Vocabulary {
    let own = (0..talkers).map(|talker| (conference, talker));
    let strangers = (1..conferences).map(|other| ((conference + other) % conferences, 0));
    let used: Vec<Voice> = own.clone().map(|(c, t)| voice_of(c, t, talkers)).collect();
    // Beyond 64 voices they repeat; a stranger with a voice of ours cannot be told apart.
    let strangers = strangers
        .filter(|(c, t)| talkers > 0 && !used.contains(&voice_of(*c, *t, talkers)))
        .take(STRANGERS);
    let sound = |(c, t): (usize, usize)| Sound::voice(&talker_name(c, t), voice_of(c, t, talkers));
    Vocabulary::new(own.chain(strangers).map(sound).collect())
}

fn voice_of(conference: usize, talker: usize, talkers: usize) -> Voice {
    Voice::nth(conference * talkers + talker)
}

fn talker_name(conference: usize, talker: usize) -> String {
    format!("talker {} of conference {}", talker + 1, conference + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tests::args;

    fn casting(args: &LoadArgs) -> Casting {
        Casting::new(args, args.target.clone()).unwrap()
    }

    #[test]
    fn callers_are_spread_over_conferences_with_voices_of_their_own() {
        let casting = casting(&args(3, 10, 2));
        let parts: Vec<Part> = (0..10).map(|caller| casting.part(caller)).collect();
        for conference in 0..3 {
            let here = parts.iter().filter(|part| part.conference == conference);
            assert_eq!(here.filter(|part| part.talker.is_some()).count(), 2);
            // Two voices of its own, and one of each other conference.
            assert_eq!(casting.vocabularies[conference].sounds().len(), 4);
        }
    }

    #[test]
    fn conferences_are_filled_one_after_the_other_when_asked() {
        let filled = LoadArgs {
            per_conference: Some(3),
            ..args(4, 12, 3)
        };
        let casting = casting(&filled);
        let conferences: Vec<usize> = (0..12).map(|n| casting.part(n).conference).collect();
        assert_eq!(conferences, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
        assert!((0..12).all(|n| casting.part(n).talker == Some(n % 3)));
        assert_eq!(
            (casting.most_callers(), casting.conferences_of(7)),
            (Some(12), 3)
        );
    }

    #[test]
    fn with_few_callers_everybody_talks() {
        let casting = casting(&args(1, 2, 5));
        assert!((0..2).all(|caller| casting.part(caller).talker.is_some()));
    }

    #[test]
    fn of_many_callers_a_sample_has_ears_and_the_talkers_are_in_it() {
        let many = LoadArgs {
            ears: 20,
            ..args(1, 2_000, 3)
        };
        let casting = casting(&many);
        let parts: Vec<Part> = (0..2_000).map(|caller| casting.part(caller)).collect();
        let sampled = parts.iter().filter(|part| part.has_ears).count();
        assert!((15..=25).contains(&sampled), "{sampled}");
        assert!(
            parts[..3]
                .iter()
                .all(|part| part.has_ears && part.talker.is_some())
        );
        assert!(parts[1_500..].iter().any(|part| part.has_ears));
    }

    #[test]
    fn speech_tells_that_somebody_talks_and_not_who() {
        let speech = LoadArgs {
            speech: Some(None),
            no_delay: true,
            ..args(1, 3, 2)
        };
        let casting = casting(&speech);
        let parts: Vec<Part> = (0..3).map(|caller| casting.part(caller)).collect();
        assert_eq!(casting.must_hear(&parts[2], &parts), Audible::NONE.with(0));
        assert_eq!(casting.must_hear(&parts[0], &parts[..1]), Audible::NONE);
    }
}
