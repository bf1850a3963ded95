//! Says while a leg is quiet, from its payloads alone, that they need not be decoded.

use crate::codec::activity::{Activity, Said};
use crate::jitter::Need;
use crate::rtp::ClientLevel;

/// How many packets must have come while nobody spoke, until it is known how this leg is silent.
const KNOWN_AFTER: u32 = 25;

/// How many ticks without a sign of a voice come before a rest.
const QUIET_TICKS: u32 = 10;

/// A measured level is above the leg's own silence when it exceeds the mean by this, and by so many
/// times its usual distance from the mean.
const ABOVE_DB: f32 = 1.5;
const ABOVE_DEVIATIONS: f32 = 4.0;

/// Nothing below this is heard of anyway, in dBov.
const INAUDIBLE_DBOV: f32 = -66.0;

/// A claimed level is above the leg's own silence when it exceeds the mean by this.
const CLAIM_ABOVE_DB: f32 = 6.0;

/// After so many packets that a leg's owner takes for none of a voice, the gate does so, too: an owner
/// hears later than the gate sees.
const OVERRULED_BY: u32 = 25;

/// How much the latest packet counts while the leg's owner hears that nobody speaks, and while
/// it rests because of that.
const LEARNT: f32 = 1.0 / 16.0;
const GUESSED: f32 = 1.0 / 64.0;

/// A detector that takes more of a leg's noise than this for a voice is believed when it says so of
/// two packets in a row, and of three if it errs more often still.
const ERRS: f32 = 0.05;
const ERRS_OFTEN: f32 = 0.2;

/// What a false alarm says of a detector, up to the most that alarms alone can say.
const FALSE_ALARM: f32 = 0.1;
const FALSE_ALARMS: f32 = 0.19;

/// How fast that is forgotten.
const FORGIVEN: f32 = 1.0 / 128.0;

/// How often a leg whose silence is a claim is listened to, and for how long, in ticks.
const PROBE_EVERY: u32 = 250;
const PROBE_TICKS: u32 = 3;

/// How many ticks later it is asked again for what was not to be had for that.
const PROBE_AGAIN: u32 = 25;

/// What is heard late is no more ticks late than this.
const MOST_LATE: u32 = 25;

/// The quietest sound that refutes a claim of silence, where the leg's own silence is not louder.
const REFUTES: f32 = 0.003_16;

/// When packets may stay undecoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Somebody needs every frame.
    Never,
    /// While they look as though nobody spoke.
    WhileQuiet,
    /// Whatever they are: nobody would hear them.
    Always,
}

/// Decides whether a leg is decoded.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    /// The leg's owner needs nothing of it and has heard no voice for a while.
    may_rest: bool,
    /// Nobody would hear it, whatever it says.
    unheard: bool,
    /// What is measured while nobody speaks.
    silence: Silence,
    claims: Claims,
    /// Ticks since there was a sign of a voice.
    quiet_ticks: u32,
    /// Packets that were heard since then by an owner who takes none for a voice.
    overruled: u32,
    /// Packets in a row that may be a voice, and where the first of them begins.
    doubtful: u32,
    doubtful_from: Option<i64>,
    /// A voice may have begun there since the last rest ended, and before.
    woken_by: Option<i64>,
    onset: Option<i64>,
    /// The last rest ended for a voice that the leg's owner has not heard.
    in_vain: bool,
    /// The leg is to be decoded, and there was nothing to do that with.
    put_off: bool,
    /// By so many ticks what is heard since the last rest is later than it should be.
    late: u32,
    /// The last rest ended for the sake of a claim.
    has_probed: bool,
    /// How loud it was while nobody spoke.
    silence_rms: f32,
    probe: Probe,
}

/// How a leg is silent.
#[derive(Debug, Clone, Copy, Default)]
struct Silence {
    packets: u32,
    mean_db: f32,
    deviation_db: f32,
    /// How many of its packets its encoder takes for a voice.
    taken_for_voice: f32,
}

/// What a leg tells of its level (RFC 6464).
#[derive(Debug, Clone, Copy, Default)]
struct Claims {
    packets: u32,
    mean_db: f32,
    refuted: bool,
    /// The leg rests because of what it claims.
    relied_on: bool,
}

/// Whether the leg is listened to for the sake of its claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// In so many ticks.
    In(u32),
    /// For so many ticks more.
    Listening(u32),
}

/// What a packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Silence,
    /// Perhaps a voice; so many of these in a row are one.
    Doubt(u32),
    Voice,
}

impl Gate {
    /// A gate that is open.
    pub(super) fn new() -> Gate {
        Gate {
            may_rest: false,
            unheard: false,
            silence: Silence::default(),
            claims: Claims::default(),
            quiet_ticks: 0,
            overruled: 0,
            doubtful: 0,
            doubtful_from: None,
            woken_by: None,
            onset: None,
            in_vain: false,
            put_off: false,
            late: 0,
            has_probed: false,
            silence_rms: 0.0,
            probe: Probe::In(PROBE_EVERY),
        }
    }

    /// Says whether the leg's owner needs anything of it.
    pub(super) fn set_rest(&mut self, rest: Rest) {
        self.may_rest = rest != Rest::Never;
        self.unheard = rest == Rest::Always;
        self.in_vain &= self.may_rest;
        self.has_probed &= self.may_rest;
    }

    /// Another source is silent in another way. Its name tells apart legs, lest all of them be listened
    /// to in the same tick.
    pub(super) fn source_changed(&mut self, ssrc: u32) {
        self.probe = Probe::In(PROBE_EVERY + ssrc % PROBE_EVERY);
        self.silence = Silence::default();
        self.claims = Claims::default();
        self.sound_at(None);
    }

    /// Looks at a packet that begins at `position`; `decoded` says that the leg is heard.
    pub(super) fn packet(
        &mut self,
        position: i64,
        activity: &Activity,
        claim: Option<ClientLevel>,
        decoded: bool,
    ) {
        let sign = self.sign(activity, claim);
        self.overruled = if decoded && self.may_rest {
            self.overruled.saturating_add(1)
        } else {
            0
        };
        let silent = sign != Sign::Voice
            || self.overruled > OVERRULED_BY
            || (decoded && !self.silence.is_known());
        // Of whom nobody hears, it is not known that he is silent.
        if self.may_rest && !self.unheard && silent {
            let weight = if decoded { LEARNT } else { GUESSED };
            self.silence.learn(activity, weight);
            self.claims.learn(claim, weight);
        }
        match sign {
            Sign::Silence => self.doubtful = 0,
            Sign::Doubt(enough) => {
                if self.doubtful == 0 {
                    self.doubtful_from = Some(position);
                }
                self.doubtful += 1;
                if self.doubtful >= enough {
                    self.sound_at(self.doubtful_from);
                }
            }
            Sign::Voice => {
                let onset = self.doubtful_from.filter(|_| self.doubtful > 0);
                self.sound_at(Some(onset.unwrap_or(position)));
            }
        }
    }

    /// For how many ticks there was no sign of a voice.
    pub(super) fn quiet_for(&self) -> u32 {
        self.quiet_ticks
    }

    /// Whether a leg that rests goes on to in the next tick, if nothing more comes before it.
    pub(super) fn rests_on(&self) -> bool {
        let probes = self.is_probing() || (self.probe == Probe::In(0) && self.claims.relied_on);
        let is_quiet = self.quiet_ticks.saturating_add(1) > QUIET_TICKS + self.late;
        self.unheard || (self.may_rest && is_quiet && !self.put_off && !probes)
    }

    /// Lets a tick go by; says whether the leg may rest in it.
    pub(super) fn tick(&mut self, resting: bool) -> bool {
        self.quiet_ticks = self.quiet_ticks.saturating_add(1);
        // Whoever was to be heard and could not be still is.
        self.put_off &= resting && !self.unheard;
        let rests = self.may_rest && self.quiet_ticks > QUIET_TICKS + self.late && !self.put_off;
        self.probe = match self.probe {
            Probe::In(0) if resting && rests && self.claims.relied_on => {
                Probe::Listening(PROBE_TICKS)
            }
            Probe::In(ticks) => Probe::In(ticks.saturating_sub(1)),
            Probe::Listening(0) => Probe::In(PROBE_EVERY),
            Probe::Listening(ticks) => Probe::Listening(ticks - 1),
        };
        let rests = self.unheard || (rests && !self.is_probing());
        if rests {
            self.late = 0;
        }
        if rests && !resting {
            self.woken_by = None;
            if std::mem::take(&mut self.in_vain) {
                self.silence.false_alarm();
            }
        }
        if resting && !rests {
            if !self.put_off {
                self.onset = self.woken_by.take();
            }
            self.has_probed = self.is_probing();
            self.in_vain = self.may_rest && self.onset.is_some();
        }
        rests
    }

    /// Lets ticks go by in which nothing came, while the leg rests.
    pub(super) fn pass(&mut self, ticks: u32) {
        self.quiet_ticks = self.quiet_ticks.saturating_add(ticks);
        if let Probe::In(left) = &mut self.probe {
            *left = left.saturating_sub(ticks);
        }
    }

    /// Whether the leg is only listened to, and not heard.
    pub(super) fn is_probing(&self) -> bool {
        matches!(self.probe, Probe::Listening(1..))
            && self.may_rest
            && self.quiet_ticks > QUIET_TICKS
    }

    /// Where the voice that ended the rest may have begun.
    pub(super) fn onset(&self) -> Option<i64> {
        self.onset
    }

    /// How much the leg needs to be decoded, when a rest ends.
    pub(super) fn need(&self) -> Need {
        if !self.may_rest {
            Need::Must
        } else if self.is_probing() {
            Need::Probe
        } else {
            Need::Voice
        }
    }

    /// Nothing was left to decode the leg with: its rest ends in a later tick.
    pub(super) fn put_off(&mut self) {
        if self.is_probing() {
            self.probe = Probe::In(PROBE_AGAIN);
        } else {
            self.put_off = true;
            self.late = MOST_LATE.min(self.late + 1);
        }
    }

    /// Whether the leg was only listened to since the last rest.
    pub(super) fn has_probed(&self) -> bool {
        self.has_probed
    }

    /// Whether it wants to know how loud decoded frames are.
    pub(super) fn wants_levels(&self) -> bool {
        self.may_rest
    }

    /// Learns how loud a decoded frame is.
    pub(super) fn heard(&mut self, rms: f32) {
        if self.is_probing() {
            if rms > REFUTES.max(2.0 * self.silence_rms) {
                self.claims.refuted = true;
                self.probe = Probe::In(PROBE_EVERY);
                self.sound_at(None);
            }
        } else if self.may_rest {
            self.silence_rms += (rms - self.silence_rms) * LEARNT;
        }
    }

    fn sound_at(&mut self, position: Option<i64>) {
        self.quiet_ticks = 0;
        self.has_probed = false;
        self.doubtful = 0;
        self.doubtful_from = None;
        self.woken_by = position;
    }

    fn sign(&mut self, activity: &Activity, claim: Option<ClientLevel>) -> Sign {
        let measured = self.silence.sign(activity);
        self.claims.relied_on = false;
        let Some(claim) = claim.filter(|_| !self.claims.refuted) else {
            return measured.unwrap_or(Sign::Voice);
        };
        if self.claims.is_voice(claim) {
            return Sign::Voice;
        }
        match (activity.level_db, measured) {
            // A level is what it is, whatever is claimed.
            (Some(_), Some(sign)) => sign,
            (None, Some(Sign::Silence)) => Sign::Silence,
            (_, None) | (None, Some(Sign::Doubt(_) | Sign::Voice)) => {
                self.claims.relied_on = true;
                Sign::Silence
            }
        }
    }
}

impl Silence {
    /// What a packet is, if that is known.
    fn sign(&self, activity: &Activity) -> Option<Sign> {
        match activity.said {
            // What an encoder takes for noise ends no rest, and a steady tone of about -60 dBov may be
            // just that to Opus. Its leg's owner would let it through for some ten seconds, as something
            // new, and then take it for the noise of the room. That is let be: a voice as soft does end
            // a rest, and to hear such a tone every leg beside a fan would have to be decoded.
            Said::Silence | Said::Noise => return Some(Sign::Silence),
            Said::Voice if self.taken_for_voice <= ERRS => return Some(Sign::Voice),
            Said::Voice if self.taken_for_voice <= ERRS_OFTEN => return Some(Sign::Doubt(2)),
            Said::Voice => return Some(Sign::Doubt(3)),
            Said::Nothing => {}
        }
        let level_db = activity.level_db?;
        if level_db <= INAUDIBLE_DBOV {
            return Some(Sign::Silence);
        }
        if !self.is_known() {
            return None;
        }
        let above_db = ABOVE_DB.max(ABOVE_DEVIATIONS * self.deviation_db);
        Some(if level_db > self.mean_db + above_db {
            Sign::Voice
        } else {
            Sign::Silence
        })
    }

    /// A packet was taken for a voice, and its leg's owner heard none.
    fn false_alarm(&mut self) {
        if self.taken_for_voice < FALSE_ALARMS {
            self.taken_for_voice = FALSE_ALARMS.min(self.taken_for_voice + FALSE_ALARM);
        }
    }

    fn is_known(&self) -> bool {
        self.packets >= KNOWN_AFTER
    }

    fn learn(&mut self, activity: &Activity, weight: f32) {
        let weight = weight.max(1.0 / (self.packets + 1) as f32);
        self.packets = self.packets.saturating_add(1);
        let voice = f32::from(u8::from(activity.said == Said::Voice));
        let forgiven = if weight > GUESSED { weight } else { FORGIVEN };
        self.taken_for_voice += (voice - self.taken_for_voice) * forgiven;
        if let Some(level_db) = activity.level_db {
            let off_db = level_db - self.mean_db;
            self.mean_db += off_db * weight;
            // Of the first the mean is not known.
            if self.packets > 1 {
                self.deviation_db += (off_db.abs() - self.deviation_db) * weight;
            }
        }
    }
}

impl Claims {
    fn is_voice(&self, claim: ClientLevel) -> bool {
        let known = self.packets >= KNOWN_AFTER;
        claim.voice || !known || claimed_db(claim) > self.mean_db + CLAIM_ABOVE_DB
    }

    fn learn(&mut self, claim: Option<ClientLevel>, weight: f32) {
        if let Some(claim) = claim {
            let weight = weight.max(1.0 / (self.packets + 1) as f32);
            self.packets = self.packets.saturating_add(1);
            self.mean_db += (claimed_db(claim) - self.mean_db) * weight;
        }
    }
}

fn claimed_db(claim: ClientLevel) -> f32 {
    -f32::from(claim.level.minus_dbov())
}
