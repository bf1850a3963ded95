//! When does each caller speak?
//!
//! Few threads carry all callers. Each thread walks through eight phases of 2.5 ms, against absolute
//! deadlines; a leg belongs to one phase, so that a thousand callers don't send in the same instant.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::histogram::Histogram;
use crate::leg::{Leg, PTIME, Tools};

/// How many phases a tick has.
const PHASES: usize = 8;

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

/// A leg's place on a pacer. Dropping it takes the leg away.
pub struct Seat {
    id: u64,
    orders: Sender<Order>,
}

impl Pacer {
    /// Starts this many threads, at least one.
    pub fn start(threads: usize) -> io::Result<Pacer> {
        let lateness = Arc::new(Mutex::new(Histogram::default()));
        let threads = (0..threads.max(1))
            .map(|n| {
                let (orders, inbox) = channel();
                let lateness = Arc::clone(&lateness);
                let handle = std::thread::Builder::new()
                    .name(format!("pacer-{n}"))
                    .spawn(move || walk(&inbox, &lateness))?;
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

/// Walks through the phases until told to stop.
fn walk(inbox: &Receiver<Order>, lateness: &Mutex<Histogram>) {
    let mut phases: [Vec<(u64, Box<Leg>)>; PHASES] = Default::default();
    let mut tools = Tools::new();
    let mut deadline = Instant::now();
    for phase in (0..PHASES).cycle() {
        let now = wait_until(deadline);
        if now.saturating_duration_since(deadline) > LARGEST_BACKLOG {
            deadline = now;
        }
        loop {
            match inbox.try_recv() {
                Ok(Order::Add { id, leg }) => {
                    if let Some(emptiest) = phases.iter_mut().min_by_key(|legs| legs.len()) {
                        emptiest.push((id, leg));
                    }
                }
                Ok(Order::Remove { id, done }) => {
                    phases
                        .iter_mut()
                        .for_each(|legs| legs.retain(|(present, _)| *present != id));
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
        for (_, leg) in &mut phases[phase] {
            leg.tick(Instant::now(), &mut tools);
        }
        deadline += PTIME / PHASES as u32;
    }
}

/// Sleeps until a moment and says what time it is then.
fn wait_until(deadline: Instant) -> Instant {
    let remaining = deadline.saturating_duration_since(Instant::now());
    if !remaining.is_zero() {
        std::thread::sleep(remaining);
    }
    Instant::now()
}
