//! A media thread: an engine, its tick and the rings that connect it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use rtrb::{Consumer, Producer, RingBuffer};
use tutti_media::{Engine, EngineCommand, EngineEvent, PHASES, prepare_denoising};

use super::counters::ThreadCounters;
use super::pace::{Pace, TICK};
use super::scheduling::Priority;
use super::udp::UdpLeg;
use crate::clock::Clock;

/// Commands that may wait for a tick; more wait with their sender.
const COMMANDS: usize = 4_096;

/// Commands that one moment carries out, so that a crowd cannot make it late.
const COMMANDS_PER_MOMENT: usize = 64;

/// Events that may wait for the director, who looks every few milliseconds.
const EVENTS: usize = 65_536;

/// How a media thread is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThreadSettings {
    pub(super) clock: Clock,
    /// Where the grid of ticks begins; the same for all threads of a bridge.
    pub(super) epoch: Duration,
    pub(super) legs: u16,
    pub(super) conferences: u16,
    /// Noise is taken out of voices on this thread.
    pub(super) denoises: bool,
    /// What it asks the system for.
    pub(super) priority: Priority,
}

/// The director's ends of a media thread.
pub(super) struct ThreadHandle {
    commands: Producer<EngineCommand<UdpLeg>>,
    pub(super) events: Consumer<EngineEvent<UdpLeg>>,
    pub(super) counters: Arc<ThreadCounters>,
    stop: Arc<AtomicBool>,
    sleeper: Thread,
    thread: Option<JoinHandle<()>>,
    /// What the system has given to the thread.
    pub(super) priority: Priority,
}

impl ThreadHandle {
    /// Starts a thread, and waits until it knows its priority.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn spawn(index: usize, settings: ThreadSettings) -> std::io::Result<ThreadHandle> {
        let (commands, command_ends) = RingBuffer::new(COMMANDS);
        let (event_ends, events) = RingBuffer::new(EVENTS);
        let counters = Arc::new(ThreadCounters::default());
        let stop = Arc::new(AtomicBool::new(false));
        let media_thread = MediaThread {
            settings,
            engine: Engine::new(settings.legs, settings.conferences),
            commands: command_ends,
            events: event_ends,
            counters: Arc::clone(&counters),
            stop: Arc::clone(&stop),
        };
        let (tell_priority, priority_told) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(format!("media-{index}"))
            .spawn(move || {
                // Whoever started the thread waits for this.
                let _ = tell_priority.send(settings.priority.claim());
                media_thread.run();
            })?;
        let priority = priority_told.recv().unwrap_or(Priority::Normal);
        let figure = priority as u8;
        counters.priority.store(figure, Ordering::Relaxed);
        Ok(ThreadHandle {
            commands,
            events,
            counters,
            stop,
            sleeper: thread.thread().clone(),
            thread: Some(thread),
            priority,
        })
    }

    /// Hands a command over, and gives it back when no more may wait.
    pub(super) fn send(
        &mut self,
        command: EngineCommand<UdpLeg>,
    ) -> Result<(), EngineCommand<UdpLeg>> {
        let sent = self.commands.push(command);
        self.wake();
        sent.map_err(|rtrb::PushError::Full(command)| command)
    }

    /// Wakes the thread; that costs a system call only when it rests.
    pub(super) fn wake(&self) {
        self.sleeper.unpark();
    }
}

impl Drop for ThreadHandle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct MediaThread {
    settings: ThreadSettings,
    engine: Engine<UdpLeg>,
    commands: Consumer<EngineCommand<UdpLeg>>,
    events: Producer<EngineEvent<UdpLeg>>,
    counters: Arc<ThreadCounters>,
    stop: Arc<AtomicBool>,
}

impl MediaThread {
    fn run(mut self) {
        if self.settings.denoises {
            prepare_denoising();
        }
        let mut pace = Pace::new(self.settings.epoch);
        let mut load = Load::default();
        while !self.stop.load(Ordering::Relaxed) {
            if self.engine.is_idle() {
                self.rest();
                pace.resume(monotonic_now());
                continue;
            }
            pace.pass_over(|phase| self.has_nothing_to_do(phase));
            sleep_until(pace.next_start());
            let began = monotonic_now();
            let moment = pace.begin(began);
            if moment.skipped > 0 {
                let skipped = u64::from(moment.skipped);
                self.counters
                    .skipped_ticks
                    .fetch_add(skipped, Ordering::Relaxed);
                self.engine.skip(moment.skipped);
            }
            self.carry_out_commands();
            if !self.engine.is_phase_idle(moment.phase) {
                self.engine.hurry(moment.is_behind());
                self.tick(moment.phase);
                let busy = monotonic_now().saturating_sub(began);
                self.counters.served(moment.lateness, busy);
            }
            if self.engine.has_crowd(pace.phase()) {
                self.prepare(pace.phase(), pace.deadline());
            }
            let busy = monotonic_now().saturating_sub(began);
            load.add(moment.tick, busy, &self.counters);
            self.counters.worked(self.engine.work());
        }
    }

    /// Whether nothing is to be done at the moment of a phase, neither for it nor for the one after it.
    fn has_nothing_to_do(&self, phase: u8) -> bool {
        let next = (phase + 1) % PHASES;
        self.engine.is_phase_idle(phase) && !self.engine.has_crowd(next)
    }

    /// Carries out commands, and sleeps until there are more if they leave nothing to do.
    ///
    /// Whoever sends a command wakes this thread afterwards. A wake-up that comes between the look
    /// at the ring and the sleep ends that sleep at once, so none is lost.
    fn rest(&mut self) {
        self.carry_out_commands();
        if self.engine.is_idle() && self.commands.is_empty() {
            self.counters.rests.fetch_add(1, Ordering::Relaxed);
            std::thread::park();
        }
    }

    fn carry_out_commands(&mut self) {
        let now = self.settings.clock.now();
        let (events, counters) = (&mut self.events, &*self.counters);
        let mut emit = |event| push(events, counters, event);
        for _ in 0..COMMANDS_PER_MOMENT {
            let Ok(command) = self.commands.pop() else {
                return;
            };
            self.engine.handle(now, command, &mut emit);
        }
    }

    /// Does what can be done of a tick before it is due.
    fn prepare(&mut self, phase: u8, deadline: Duration) {
        let left = deadline.saturating_sub(monotonic_now());
        let due = self.settings.clock.now() + left;
        let goes_on = || monotonic_now() < deadline;
        let (events, counters) = (&mut self.events, &*self.counters);
        let mut emit = |event| push(events, counters, event);
        self.engine.prepare_phase(due, phase, goes_on, &mut emit);
    }

    fn tick(&mut self, phase: u8) {
        let now = self.settings.clock.now();
        let (events, counters) = (&mut self.events, &*self.counters);
        let mut emit = |event| push(events, counters, event);
        self.engine.tick_phase(now, phase, &mut emit);
    }
}

fn push(
    events: &mut Producer<EngineEvent<UdpLeg>>,
    counters: &ThreadCounters,
    event: EngineEvent<UdpLeg>,
) {
    if events.push(event).is_err() {
        counters.lost_events.fetch_add(1, Ordering::Relaxed);
    }
}

/// Adds up the work of all moments of one tick.
#[derive(Debug, Default)]
struct Load {
    tick: u64,
    busy: Duration,
}

impl Load {
    fn add(&mut self, tick: u64, busy: Duration, counters: &ThreadCounters) {
        if tick != self.tick {
            counters.loaded(std::mem::take(&mut self.busy), TICK);
            self.tick = tick;
        }
        self.busy += busy;
    }
}

/// The monotonic clock, on which ticks are paced.
pub(super) fn monotonic_now() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap_or(TimeSpec::new(0, 0));
    Duration::from(now)
}

/// Sleeps until a moment of the monotonic clock; a moment that has passed costs nothing.
fn sleep_until(deadline: Duration) {
    let until = TimeSpec::from(deadline);
    let flags = ClockNanosleepFlags::TIMER_ABSTIME;
    // A signal may wake the thread early; the moment is absolute, so it just sleeps on.
    for _ in 0..16 {
        if clock_nanosleep(ClockId::CLOCK_MONOTONIC, flags, &until).is_ok() {
            return;
        }
    }
}
