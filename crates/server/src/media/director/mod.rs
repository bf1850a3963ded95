//! Knows which media thread has which leg and conference, and speaks to it.
//!
//! Calls and conferences have names; places on a media thread have numbers. The director gives the
//! places out, builds what moves in, drops what moves out, and carries a leg from one thread to
//! another when its conference lives there. A conference that one thread cannot carry is mixed in
//! parts on several. It never waits for a media thread.

mod conferences;
mod lanes;
mod legs;
mod prompts;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tutti_media::{EngineEvent, LegSettings, Retired, Wanted};
use tutti_model::{CallId, ConferenceId, MediaEvent, PromptOutcome, Timestamp};
use tutti_recording::Recorder;

use super::counters::ThreadCounters;
use super::ports::PortPool;
use super::scheduling::Priority;
use super::thread::{ThreadSettings, monotonic_now};
use super::udp::UdpLeg;
use crate::clock::Clock;

use conferences::ConferenceEntry;
use lanes::Lane;
use legs::LegEntry;

/// How often the governor looks at the threads.
const GOVERNED_EVERY: Duration = Duration::from_secs(1);

/// How a media plane is laid out.
#[derive(Debug, Clone, Copy)]
pub struct MediaSettings {
    pub threads: u16,
    /// Legs at the same time, on all threads together.
    pub legs: u16,
    /// Conferences at the same time, on all threads together.
    pub conferences: u16,
    /// Legs of one conference on one thread, where there are more threads.
    pub part_legs: u16,
    /// Places in the mix of a conference, or of each of its parts.
    pub contributors: u16,
    /// Whether encoders ease off and calls are refused before a tick is late.
    pub governor: bool,
    /// What media threads ask the system for.
    pub priority: Priority,
    pub leg: LegSettings,
}

/// What the media plane counts.
#[derive(Debug, Clone)]
pub struct MediaCounters {
    pub threads: Vec<Arc<ThreadCounters>>,
    /// Calls for which there was no room.
    pub refused: Arc<AtomicU64>,
}

/// Speaks to the media threads.
pub struct Director {
    clock: Clock,
    settings: MediaSettings,
    ports: PortPool,
    recorder: Recorder,
    lanes: Vec<Lane>,
    legs: BTreeMap<CallId, LegEntry>,
    /// Legs that were closed while their thread still has them.
    leaving: BTreeSet<CallId>,
    conferences: BTreeMap<ConferenceId, ConferenceEntry>,
    /// What became known here rather than on a media thread.
    news: Vec<MediaEvent>,
    governed: Timestamp,
    refused: Arc<AtomicU64>,
}

impl Director {
    /// Starts the media threads.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        clock: Clock,
        settings: MediaSettings,
        ports: PortPool,
        recorder: Recorder,
    ) -> std::io::Result<Director> {
        let thread = ThreadSettings {
            clock,
            epoch: monotonic_now(),
            legs: settings.legs,
            conferences: settings.conferences,
            denoises: settings.leg.input.noise_suppression,
            priority: settings.priority,
        };
        let lanes = (0..usize::from(settings.threads))
            .map(|index| Lane::start(index, thread, &settings))
            .collect::<std::io::Result<Vec<Lane>>>()?;
        announce_priority(settings.priority, &lanes);
        let mut director = Director {
            clock,
            settings,
            ports,
            recorder,
            lanes,
            legs: BTreeMap::new(),
            leaving: BTreeSet::new(),
            conferences: BTreeMap::new(),
            news: Vec::new(),
            governed: clock.now(),
            refused: Arc::default(),
        };
        for thread in 0..director.lanes.len() {
            Wanted::at_first().for_each(|wanted| director.bring(thread, wanted));
        }
        Ok(director)
    }

    /// Whether another leg may come; each time it may not, somebody is counted as refused.
    pub fn has_room(&self) -> bool {
        let room = self.legs.len() < usize::from(self.settings.legs)
            && self.lanes.iter().any(Lane::admits);
        if !room {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        room
    }

    /// How many legs there are.
    pub fn leg_count(&self) -> usize {
        self.legs.len()
    }

    /// What has been counted, and goes on being counted.
    pub fn counters(&self) -> MediaCounters {
        MediaCounters {
            threads: self
                .lanes
                .iter()
                .map(|lane| Arc::clone(lane.counters()))
                .collect(),
            refused: Arc::clone(&self.refused),
        }
    }

    /// Carries on what the media threads have done since the last look, and returns what they
    /// learnt. To be called every few milliseconds until it [is idle](Director::is_idle).
    pub fn poll(&mut self) -> Vec<MediaEvent> {
        self.govern();
        let mut news = std::mem::take(&mut self.news);
        for thread in 0..self.lanes.len() {
            self.lanes[thread].flush();
            while let Some(event) = self.lanes[thread].next_event() {
                match event {
                    EngineEvent::PromptFinished { call, prompt } => {
                        self.prompt_finished(call, prompt);
                        let outcome = PromptOutcome::Played;
                        news.push(MediaEvent::PromptFinished {
                            call,
                            prompt,
                            outcome,
                        });
                    }
                    EngineEvent::DigitPressed { call, digit } => {
                        news.push(MediaEvent::DigitPressed { call, digit });
                    }
                    EngineEvent::Speaking { call, speaking } => {
                        news.push(MediaEvent::Speaking { call, speaking });
                    }
                    EngineEvent::Voice { call, speaking } => {
                        news.push(MediaEvent::Voice { call, speaking });
                    }
                    EngineEvent::LegSilent { call } => news.push(MediaEvent::LegSilent { call }),
                    EngineEvent::Wanted(wanted) => self.bring(thread, wanted),
                    EngineEvent::Retired(retired) => self.retire(thread, retired),
                }
            }
        }
        news
    }

    /// Whether nothing is left that a poll could bring on.
    pub fn is_idle(&self) -> bool {
        self.legs.is_empty()
            && self.leaving.is_empty()
            && self.news.is_empty()
            && self.lanes.iter().all(Lane::is_settled)
    }

    /// Makes what an engine cannot make for itself.
    fn bring(&mut self, thread: usize, wanted: Wanted) {
        match wanted.make(self.settings.leg.encoder) {
            Ok(command) => self.lanes[thread].send(command),
            Err(error) => tracing::error!(?wanted, %error, "a codec cannot be set up"),
        }
    }

    fn govern(&mut self) {
        let now = self.clock.now();
        if now.since(self.governed) < GOVERNED_EVERY {
            return;
        }
        self.governed = now;
        for lane in &mut self.lanes {
            lane.govern(self.settings.leg.encoder.complexity);
        }
    }

    fn retire(&mut self, thread: usize, retired: Retired<UdpLeg>) {
        match retired {
            Retired::Leg { leg, .. } => self.leg_retired(leg),
            Retired::Conference { .. } => self.lanes[thread].closed(),
            Retired::Refused(_) => {
                tracing::error!("a media thread was given a place that it does not have");
            }
            // Dropped here, where it may take its time.
            Retired::Media(_)
            | Retired::Class(_)
            | Retired::Outlet(_)
            | Retired::Decoding(_)
            | Retired::Trunk(_)
            | Retired::Audio(_)
            | Retired::Tap(_)
            | Retired::CallRecording(_) => {}
        }
    }

    fn quietest_lane(&self, suits: impl Fn(&Lane) -> bool) -> Option<usize> {
        (0..self.lanes.len())
            .filter(|&thread| suits(&self.lanes[thread]))
            .min_by_key(|&thread| (!self.lanes[thread].admits(), self.lanes[thread].load()))
    }
}

/// Says once what the system has given to the media threads.
fn announce_priority(wanted: Priority, lanes: &[Lane]) {
    let Some(got) = lanes.iter().map(Lane::priority).min() else {
        return;
    };
    if got < wanted {
        tracing::info!(
            priority = %got,
            "media threads do not get the {wanted} priority that media.priority asks for: it takes \
             CAP_SYS_NICE, or LimitNICE=-15 for high and LimitRTPRIO=1 for realtime"
        );
    } else {
        tracing::info!(priority = %got, "media threads have their priority");
    }
}
