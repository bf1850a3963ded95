//! How a media thread stands among all that want its core.
//!
//! A tick that is due cannot wait until a query of the database or a page of JSON is done. So a media
//! thread asks to go first; what the system does not permit, it does without.

use std::fmt;

use rustix::process::{getpriority_process, setpriority_process};
use serde::Deserialize;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
};

/// The niceness of [`Priority::High`]: 28 times the weight of a thread at 0, so that others get a share
/// even of a core that media would fill.
const NICE: i32 = -15;

/// The lowest of all priorities in real time; the kernel's own urgent threads are above it.
const REALTIME: u8 = 1;

/// What media threads ask the system for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// To run when everybody else does.
    Normal,
    /// To go before threads of the usual niceness.
    #[default]
    High,
    /// To go before everything that is not in real time itself (`SCHED_RR`), whatever becomes of it:
    /// the kernel leaves the others a twentieth of a core that media would fill.
    Realtime,
}

impl Priority {
    /// Asks for this for the calling thread, and says what it has then: this, the next lower one that
    /// is permitted, or more if it had more already.
    pub(super) fn claim(self) -> Priority {
        if let Ok(ThreadSchedulePolicy::Realtime(_)) = thread_schedule_policy() {
            return Priority::Realtime;
        }
        match self {
            Priority::Realtime if becomes_realtime() => Priority::Realtime,
            Priority::Realtime | Priority::High if becomes_nice() => Priority::High,
            Priority::Realtime | Priority::High | Priority::Normal => Priority::Normal,
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Priority::Normal => "normal",
            Priority::High => "high",
            Priority::Realtime => "realtime",
        })
    }
}

fn becomes_realtime() -> bool {
    let policy = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::RoundRobin);
    ThreadPriorityValue::try_from(REALTIME).is_ok_and(|priority| {
        let priority = ThreadPriority::Crossplatform(priority);
        set_thread_priority_and_policy(thread_native_id(), priority, policy).is_ok()
    })
}

/// On Linux, niceness is each thread's own (setpriority(2)).
fn becomes_nice() -> bool {
    let has_enough = getpriority_process(None).is_ok_and(|nice| nice <= NICE);
    has_enough || setpriority_process(None, NICE).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The policy (0 is the usual one, 2 is `SCHED_RR`), the niceness and the priority in real time of
    /// the calling thread, as proc(5) tells them.
    fn standing() -> (i32, i32, i32) {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let after_name = stat.rsplit_once(") ").unwrap().1;
        let field = |number: usize| {
            let text = after_name.split(' ').nth(number - 3).unwrap();
            text.parse().unwrap()
        };
        (field(41), field(19), field(40))
    }

    fn in_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| scope.spawn(work).join().unwrap())
    }

    #[test]
    fn a_thread_stands_as_it_says() {
        for wish in [Priority::Normal, Priority::High, Priority::Realtime] {
            let before = standing();
            let (got, after) = in_a_thread(|| (wish.claim(), standing()));
            assert!(got <= wish || before.0 != 0, "{got} for {wish}");
            match got {
                Priority::Normal => assert_eq!(after, before),
                Priority::High => assert!(after.0 == 0 && after.1 <= NICE, "{after:?}"),
                Priority::Realtime => assert!(after.0 != 0 && after.2 > 0, "{after:?}"),
            }
            if got < wish {
                println!("this system permits {got}, not {wish}");
            }
            assert_eq!(standing(), before, "only the thread itself");
        }
    }

    #[test]
    fn who_has_more_than_it_asks_for_keeps_it() {
        in_a_thread(|| {
            let got = Priority::Realtime.claim();
            let kept = standing();
            assert_eq!(Priority::High.claim(), got);
            assert_eq!(standing(), kept);
        });
    }
}
