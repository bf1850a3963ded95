//! A media thread: an engine, its tick and the rings that connect it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};
use rtrb::{Consumer, Producer, RingBuffer};
use tutti_media::{Engine, EngineCommand, EngineEvent};

use super::udp::UdpLeg;
use crate::clock::Clock;

/// The length of a tick.
const TICK: Duration = Duration::from_millis(20);

/// A tick that begins this much after its deadline is counted as late.
const LATE: Duration = Duration::from_millis(5);

/// Ticks that are made up for after a pause of the machine; a longer pause is skipped, since a
/// burst that long would only be thrown away by the phones' jitter buffers.
const CATCH_UP: u32 = 10;

/// Commands that may wait for a tick; more wait with their sender.
const COMMANDS: usize = 4_096;

/// Commands that one tick carries out, so that a crowd cannot make it late.
const COMMANDS_PER_TICK: usize = 64;

/// Events that may wait for the director, who looks every few milliseconds.
const EVENTS: usize = 65_536;

/// What a media thread did, for metrics.
#[derive(Debug, Default)]
pub struct ThreadCounters {
    pub ticks: AtomicU64,
    pub late_ticks: AtomicU64,
    pub skipped_ticks: AtomicU64,
    /// Events that found no room; none ever should.
    pub lost_events: AtomicU64,
    /// Time spent in ticks, in nanoseconds.
    pub busy_nanos: AtomicU64,
}

/// The director's ends of a media thread.
pub(super) struct ThreadHandle {
    pub(super) commands: Producer<EngineCommand<UdpLeg>>,
    pub(super) events: Consumer<EngineEvent<UdpLeg>>,
    pub(super) counters: Arc<ThreadCounters>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl ThreadHandle {
    /// Starts a thread with room for this many legs and conferences.
    pub(super) fn spawn(
        index: usize,
        clock: Clock,
        legs: u16,
        conferences: u16,
    ) -> std::io::Result<ThreadHandle> {
        let (commands, command_ends) = RingBuffer::new(COMMANDS);
        let (event_ends, events) = RingBuffer::new(EVENTS);
        let counters = Arc::new(ThreadCounters::default());
        let stop = Arc::new(AtomicBool::new(false));
        let media_thread = MediaThread {
            clock,
            engine: Engine::new(legs, conferences),
            commands: command_ends,
            events: event_ends,
            counters: Arc::clone(&counters),
            stop: Arc::clone(&stop),
        };
        let thread = std::thread::Builder::new()
            .name(format!("media-{index}"))
            .spawn(move || media_thread.run())?;
        Ok(ThreadHandle {
            commands,
            events,
            counters,
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for ThreadHandle {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct MediaThread {
    clock: Clock,
    engine: Engine<UdpLeg>,
    commands: Consumer<EngineCommand<UdpLeg>>,
    events: Producer<EngineEvent<UdpLeg>>,
    counters: Arc<ThreadCounters>,
    stop: Arc<AtomicBool>,
}

impl MediaThread {
    fn run(mut self) {
        let mut deadline = monotonic_now();
        while !self.stop.load(Ordering::Relaxed) {
            deadline += TICK;
            sleep_until(deadline);
            let lateness = monotonic_now().saturating_sub(deadline);
            if lateness > LATE {
                self.counters.late_ticks.fetch_add(1, Ordering::Relaxed);
            }
            if lateness > TICK * CATCH_UP {
                let skipped = lateness.as_millis() / TICK.as_millis();
                deadline += TICK * u32::try_from(skipped).unwrap_or(u32::MAX);
                self.counters
                    .skipped_ticks
                    .fetch_add(skipped as u64, Ordering::Relaxed);
            }
            self.tick();
            let busy = monotonic_now().saturating_sub(deadline + lateness);
            self.counters
                .busy_nanos
                .fetch_add(busy.as_nanos() as u64, Ordering::Relaxed);
            self.counters.ticks.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tick(&mut self) {
        let MediaThread {
            clock,
            engine,
            commands,
            events,
            counters,
            ..
        } = self;
        let mut emit = |event| {
            if events.push(event).is_err() {
                counters.lost_events.fetch_add(1, Ordering::Relaxed);
            }
        };
        let now = clock.now();
        for _ in 0..COMMANDS_PER_TICK {
            let Ok(command) = commands.pop() else { break };
            engine.handle(now, command, &mut emit);
        }
        engine.tick(now, &mut emit);
    }
}

fn monotonic_now() -> Duration {
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
