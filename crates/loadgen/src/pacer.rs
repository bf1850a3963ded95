//! When does each caller speak?
//!
//! Few threads carry all callers. Each thread walks through eight phases of 2.5 ms, against absolute
//! deadlines; a leg belongs to one phase, so that a thousand callers don't send in the same instant, and
//! the first few, who talk, are spread over the whole of it.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use tokio::sync::oneshot;

use crate::histogram::Histogram;
use crate::leg::{Leg, PTIME, Tools};

/// How many phases a tick has.
const PHASES: usize = 8;

/// In which order phases are given out: the first two legs lie half a tick apart, the first four a
/// quarter. A delay depends on where a caller's phase lies against the bridge's, and few callers must
/// not draw nearly the same one.
const ORDER: [usize; PHASES] = [0, 4, 2, 6, 1, 5, 3, 7];

/// The niceness of a pacer: a phone's clock waits for nobody, and a bridge takes for jitter of the
/// network what its callers are late.
const NICE: i32 = -19;

/// Behind by more than this, a pacer gives up the missed ticks instead of sending them in a burst.
const LARGEST_BACKLOG: Duration = Duration::from_secs(1);

/// Paces all callers of a process.
pub struct Pacer {
    threads: Vec<PacerThread>,
    next_leg: AtomicU64,
    next_thread: AtomicUsize,
    lateness: Arc<Mutex<Histogram>>,
}

struct PacerThread {
    orders: Sender<Order>,
    handle: Option<JoinHandle<()>>,
}

enum Order {
    Add { id: u64, leg: Box<Leg> },
    Remove { id: u64, done: oneshot::Sender<()> },
    Stop,
}

/// A leg on its thread.
struct Seated {
    id: u64,
    /// In how many ticks from now on it has nothing to do.
    rests_for: u32,
    leg: Box<Leg>,
}

/// A leg's place on a pacer. Dropping it takes the leg away.
pub struct Seat {
    id: u64,
    orders: Sender<Order>,
}

impl Pacer {
    /// Starts this many threads, at least one.
    pub fn start(threads: usize) -> io::Result<Pacer> {
        let lateness = Arc::new(Mutex::new(Histogram::default()));
        let starts_at = Instant::now();
        let threads = (0..threads.max(1))
            .map(|n| {
                let (orders, inbox) = channel();
                let lateness = Arc::clone(&lateness);
                let handle = std::thread::Builder::new()
                    .name(format!("pacer-{n}"))
                    .spawn(move || {
                        // What is not permitted is done without: the lateness is reported.
                        let _ = setpriority_process(None, NICE);
                        walk(&inbox, &lateness, starts_at);
                    })?;
                Ok(PacerThread {
                    orders,
                    handle: Some(handle),
                })
            })
            .collect::<io::Result<_>>()?;
        Ok(Pacer {
            threads,
            next_leg: AtomicU64::new(0),
            next_thread: AtomicUsize::new(0),
            lateness,
        })
    }

    /// Starts a leg at the next tick.
    pub fn add(&self, leg: Leg) -> Seat {
        let id = self.next_leg.fetch_add(1, Ordering::Relaxed);
        let thread = self.next_thread.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        let orders = self.threads[thread].orders.clone();
        // A thread that is gone was stopped with its pacer; its legs are silent then.
        let _ = orders.send(Order::Add {
            id,
            leg: Box::new(leg),
        });
        Seat { id, orders }
    }

    /// Forgets how late ticks were until now.
    pub fn forget_lateness(&self) {
        *self.lateness.lock().unwrap_or_else(PoisonError::into_inner) = Histogram::default();
    }

    /// How late ticks began: the generator's own share in what it measures.
    pub fn lateness(&self) -> Histogram {
        self.lateness
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        for thread in &self.threads {
            let _ = thread.orders.send(Order::Stop);
        }
        for handle in self
            .threads
            .iter_mut()
            .filter_map(|thread| thread.handle.take())
        {
            let _ = handle.join();
        }
    }
}

impl Seat {
    /// Takes the leg away and waits until its recording is complete.
    pub async fn leave(self) {
        let (done, left) = oneshot::channel();
        if self
            .orders
            .send(Order::Remove { id: self.id, done })
            .is_ok()
        {
            // An error means that the thread has stopped, and with it the leg.
            let _ = left.await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Remove {
            id: self.id,
            done: oneshot::channel().0,
        });
    }
}

/// Walks through the phases, on a grid that begins at a moment, until told to stop.
fn walk(inbox: &Receiver<Order>, lateness: &Mutex<Histogram>, starts_at: Instant) {
    let mut phases: [Vec<Seated>; PHASES] = Default::default();
    let mut tools = Tools::new();
    let mut deadline = starts_at;
    for phase in (0..PHASES).cycle() {
        let now = wait_until(deadline);
        if now.saturating_duration_since(deadline) > LARGEST_BACKLOG {
            deadline = now;
        }
        loop {
            match inbox.try_recv() {
                Ok(Order::Add { id, leg }) => {
                    let counts = phases.each_ref().map(Vec::len);
                    phases[phase_for(id, &counts)].push(Seated {
                        id,
                        rests_for: 0,
                        leg,
                    });
                }
                Ok(Order::Remove { id, done }) => {
                    phases
                        .iter_mut()
                        .for_each(|legs| legs.retain(|present| present.id != id));
                    // Whoever dropped its seat does not wait for this.
                    let _ = done.send(());
                }
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => break,
            }
        }
        if !phases[phase].is_empty() {
            let late = now.saturating_duration_since(deadline);
            lateness
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .add(late);
        }
        tools.post.send_due(now);
        for Seated { rests_for, leg, .. } in &mut phases[phase] {
            match rests_for.checked_sub(1) {
                Some(fewer) => *rests_for = fewer,
                None => *rests_for = leg.tick(Instant::now(), &mut tools),
            }
        }
        deadline += PTIME / PHASES as u32;
    }
}

/// Where a leg goes among so many: into one of the emptiest phases, the first of them in the order that
/// begins at its number, so that legs on several threads are spread as those on one.
fn phase_for(id: u64, counts: &[usize; PHASES]) -> usize {
    let first = (id % PHASES as u64) as usize;
    let in_order = (first..first + PHASES).map(|at| ORDER[at % PHASES]);
    in_order.min_by_key(|phase| counts[*phase]).unwrap_or(0)
}

/// Sleeps until a moment and says what time it is then.
fn wait_until(deadline: Instant) -> Instant {
    let remaining = deadline.saturating_duration_since(Instant::now());
    if !remaining.is_zero() {
        std::thread::sleep(remaining);
    }
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The phases of so many legs on so many threads, in the order of their numbers.
    fn phases(legs: u64, threads: usize) -> Vec<usize> {
        let mut counts = vec![[0; PHASES]; threads];
        (0..legs)
            .map(|id| {
                let counts = &mut counts[id as usize % threads];
                let phase = phase_for(id, counts);
                counts[phase] += 1;
                phase
            })
            .collect()
    }

    #[test]
    fn the_first_legs_are_spread_evenly_over_the_tick() {
        for threads in [1, 2] {
            for legs in [2, 4, 8] {
                let mut phases = phases(legs, threads);
                phases.sort_unstable();
                let apart = PHASES / legs as usize;
                assert!(
                    phases.windows(2).all(|pair| pair[1] - pair[0] == apart),
                    "{legs} legs on {threads} threads: {phases:?}"
                );
            }
        }
    }

    #[test]
    fn no_phase_has_more_legs_than_another_and_one() {
        for threads in [1, 2, 3] {
            let phases = phases(1_000, threads);
            let count = |phase| phases.iter().filter(|of| **of == phase).count();
            let most = (0..PHASES).map(count).max().unwrap();
            let least = (0..PHASES).map(count).min().unwrap();
            assert!(
                most - least <= threads,
                "{threads} threads: {least} to {most}"
            );
        }
    }
}
