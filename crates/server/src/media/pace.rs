//! When a media thread does what: a grid of moments, and what becomes of moments that are missed.

use std::time::Duration;

use tutti_media::PHASES;

/// The length of a tick.
pub(super) const TICK: Duration = Duration::from_millis(20);

/// Between the phases of a tick.
const STEP: Duration = Duration::from_millis(5);

/// However late a thread is, a phase waits this long after its last tick: who has been kept waiting
/// is not helped by a burst, and a phone's buffer overflows of it.
const LEAST_PAUSE: Duration = Duration::from_millis(10);

/// A moment that begins this much after its deadline is done in a hurry. One that begins 5 ms late
/// counts as late, and a moment's work lasts some milliseconds.
pub(super) const BEHIND: Duration = Duration::from_micros(1_500);

/// A thread that is this late gives up what it has missed; less is made up for. Receivers take a gap
/// this long between two ticks for ticks that are left out.
const HOPELESS: Duration = Duration::from_millis(205);

/// The moments of one media thread.
///
/// They lie on a grid that begins at the same moment for all threads, so that parts of one
/// conference tick together. A late thread makes up for its ticks at twice the pace at most; what is
/// hopelessly late is skipped in whole ticks, of all phases alike.
#[derive(Debug)]
pub(super) struct Pace {
    epoch: Duration,
    /// The next moment's number.
    next: u64,
    /// When each phase last began.
    began: [Option<Duration>; PHASES as usize],
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Which tick it belongs to, counted from the epoch.
    pub(super) tick: u64,
    pub(super) phase: u8,
    /// How long after its deadline it begins.
    pub(super) lateness: Duration,
    /// Ticks that were given up before it.
    pub(super) skipped: u32,
}

impl Moment {
    /// Whether the thread has to catch up.
    pub(super) fn is_behind(&self) -> bool {
        self.lateness >= BEHIND
    }
}

impl Pace {
    /// The grid that begins at `epoch`.
    pub(super) fn new(epoch: Duration) -> Pace {
        Pace {
            epoch,
            next: 0,
            began: [None; PHASES as usize],
        }
    }

    /// Goes on with the first moment that is not over, after a rest in which nothing was due.
    pub(super) fn resume(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.epoch).as_nanos();
        let next = passed.div_ceil(STEP.as_nanos());
        self.next = self.next.max(u64::try_from(next).unwrap_or(u64::MAX));
    }

    /// Passes over moments of phases in which nothing is to be done, up to one whole tick.
    pub(super) fn pass_over(&mut self, is_idle: impl Fn(u8) -> bool) {
        for _ in 0..PHASES {
            if !is_idle(self.phase()) {
                return;
            }
            self.next += 1;
        }
    }

    /// When the next moment may begin.
    pub(super) fn next_start(&self) -> Duration {
        let earliest = self
            .began
            .get(usize::from(self.phase()))
            .copied()
            .flatten()
            .map_or(Duration::ZERO, |began| began + LEAST_PAUSE);
        self.deadline().max(earliest)
    }

    /// Begins the next moment.
    pub(super) fn begin(&mut self, now: Duration) -> Moment {
        let mut lateness = now.saturating_sub(self.deadline());
        let mut skipped = 0;
        if lateness >= HOPELESS {
            let ticks = lateness.as_nanos() / TICK.as_nanos();
            skipped = u32::try_from(ticks).unwrap_or(u32::MAX);
            self.next += u64::from(skipped) * u64::from(PHASES);
            lateness = now.saturating_sub(self.deadline());
        }
        let phase = self.phase();
        if let Some(began) = self.began.get_mut(usize::from(phase)) {
            *began = Some(now);
        }
        let tick = self.next / u64::from(PHASES);
        self.next += 1;
        Moment {
            tick,
            phase,
            lateness,
            skipped,
        }
    }

    /// The phase of the next moment.
    pub(super) fn phase(&self) -> u8 {
        (self.next % u64::from(PHASES)) as u8
    }

    /// When the next moment is due.
    pub(super) fn deadline(&self) -> Duration {
        let nanos = u128::from(self.next) * STEP.as_nanos();
        self.epoch + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Duration = Duration::from_millis(1_234);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// A thread in virtual time that needs no time for its work, and is stopped for a while.
    struct Thread {
        pace: Pace,
        now: Duration,
        /// When each phase began, and what was skipped before.
        begun: Vec<(Duration, Moment)>,
    }

    impl Thread {
        fn new() -> Thread {
            Thread {
                pace: Pace::new(EPOCH),
                now: EPOCH,
                begun: Vec::new(),
            }
        }

        fn run_until(&mut self, end: Duration) {
            while self.pace.next_start() < end {
                self.now = self.now.max(self.pace.next_start());
                let moment = self.pace.begin(self.now);
                self.begun.push((self.now, moment));
            }
        }

        fn begun_after(&self, from: Duration, phase: u8) -> Vec<Duration> {
            self.begun
                .iter()
                .filter(|(at, moment)| *at >= from && moment.phase == phase)
                .map(|(at, _)| *at)
                .collect()
        }
    }

    #[test]
    fn each_phase_has_every_fourth_moment_of_five_milliseconds() {
        let mut thread = Thread::new();
        thread.run_until(EPOCH + ms(100));
        for (number, (at, moment)) in thread.begun.iter().enumerate() {
            assert_eq!(*at, EPOCH + ms(5) * number as u32);
            assert_eq!(usize::from(moment.phase), number % 4);
            assert_eq!((moment.lateness, moment.skipped), (Duration::ZERO, 0));
        }
        assert_eq!(thread.begun.len(), 20);
    }

    #[test]
    fn a_thread_with_too_much_to_do_is_not_late_while_a_hurry_helps() {
        // A quarter more than there is time for, for seconds, and a third of that in a hurry.
        let (usual, hurried) = (Duration::from_micros(6_250), Duration::from_micros(2_100));
        let mut thread = Thread::new();
        let mut hurries = 0;
        for _ in 0..1_000 {
            thread.now = thread.now.max(thread.pace.next_start());
            let moment = thread.pace.begin(thread.now);
            assert!(moment.lateness < ms(5), "{moment:?}");
            hurries += u32::from(moment.is_behind());
            thread.now += if moment.is_behind() { hurried } else { usual };
        }
        assert!((200..500).contains(&hurries), "{hurries}");
    }

    #[test]
    fn a_late_thread_makes_up_for_every_tick_at_twice_the_pace() {
        for late in [7, 23, 60, 204] {
            let mut thread = Thread::new();
            thread.run_until(EPOCH + ms(200));
            thread.now = EPOCH + ms(200 + late);
            thread.run_until(EPOCH + ms(1_000));
            assert_eq!(thread.begun.len(), 200, "{late} ms late");
            assert!(thread.begun.iter().all(|(_, moment)| moment.skipped == 0));
            for phase in 0..PHASES {
                let begun = thread.begun_after(EPOCH, phase);
                let least = begun.windows(2).map(|two| two[1] - two[0]).min().unwrap();
                assert!(least >= LEAST_PAUSE, "{late} ms late: {least:?}");
            }
            let (_, last) = thread.begun.last().unwrap();
            assert_eq!(last.lateness, Duration::ZERO);
        }
    }

    #[test]
    fn a_pause_of_seconds_is_skipped_in_whole_ticks_without_a_burst() {
        for pause in [205, 219, 1_000, 30_000] {
            let mut thread = Thread::new();
            thread.run_until(EPOCH + ms(200));
            let back = EPOCH + ms(200 + pause);
            thread.now = back;
            thread.run_until(back + ms(1_000));
            for phase in 0..PHASES {
                let begun = thread.begun_after(back, phase);
                let at_first = begun.iter().filter(|at| **at < back + ms(100)).count();
                assert!(at_first <= 10, "{at_first} after {pause} ms");
            }
            let skipped: u32 = thread.begun.iter().map(|(_, moment)| moment.skipped).sum();
            let all = thread.begun.len() as u64 + u64::from(skipped) * u64::from(PHASES);
            let (at, last) = thread.begun.last().unwrap();
            assert_eq!(ms(5) * (all as u32 - 1), *at - EPOCH, "after {pause} ms");
            assert_eq!(last.lateness, Duration::ZERO);
            assert_eq!(skipped, u32::try_from(pause / 20).unwrap());
        }
    }

    #[test]
    fn after_a_rest_the_grid_is_the_same() {
        let mut pace = Pace::new(EPOCH);
        pace.begin(EPOCH);
        for (woken, due, phase) in [
            (40_001, 40_005, 1),
            (40_010, 40_010, 2),
            (77_777, 77_780, 0),
        ] {
            pace.resume(EPOCH + ms(woken));
            assert_eq!(pace.next_start(), EPOCH + ms(due));
            let moment = pace.begin(EPOCH + ms(due));
            assert_eq!((moment.phase, moment.skipped), (phase, 0));
        }
        pace.resume(EPOCH);
        assert_eq!(pace.next_start(), EPOCH + ms(77_785));
    }

    #[test]
    fn a_phase_in_which_nothing_is_to_be_done_is_passed_over() {
        let mut pace = Pace::new(EPOCH);
        for tick in 0..3 {
            pace.pass_over(|phase| phase != 2);
            assert_eq!(pace.next_start(), EPOCH + ms(10 + 20 * tick));
            assert_eq!(pace.begin(pace.next_start()).phase, 2);
        }
    }
}
