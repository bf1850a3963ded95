//! Decides how hard a media thread tries, and whether it takes more legs.
//!
//! It looks at what ticks took of their time, before any of them is late: first encoders try less
//! hard, then new calls are refused. Calls that are there are never touched. It is told the time as
//! seconds that went by, and reads no clock.

use std::collections::VecDeque;

use super::counters::Loads;

/// Encoders try less hard when the p99 of a tick's work exceeds this, in percent of a tick.
const EASE_ABOVE: u32 = 60;

/// They try harder again when it has stayed below this.
const EXERT_BELOW: u32 = 40;

/// No more legs are taken from here on.
const REFUSE_FROM: u32 = 80;

/// Legs are taken again below this.
const ADMIT_BELOW: u32 = 70;

/// One late moment in so many is the machine's noise; more are too many, if the thread has so much to
/// do that they can be its own doing.
const LATE_ONE_IN: u64 = 50;
const OWN_DOING_FROM: u32 = 40;

/// How many seconds are looked at together.
const WINDOW: usize = 5;

/// Seconds after a step in which its effect is awaited.
const SETTLING: u32 = 2;

/// Seconds below [`EXERT_BELOW`] before encoders try harder again, at first and at most.
const PATIENCE: u32 = 10;
const MOST_PATIENCE: u32 = 300;

/// The complexities below the configured one, each clearly cheaper than the one before.
const LADDER: [u8; 3] = [5, 1, 0];

/// What a thread is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The complexity of Opus encoders; `None` is the configured one.
    pub(super) complexity: Option<u8>,
    /// Whether another leg may come.
    pub(super) admits: bool,
}

/// Governs one media thread.
#[derive(Debug)]
pub(super) struct Governor {
    /// The steps that can be taken down, in order.
    steps: Vec<u8>,
    /// How many of them are taken.
    taken: usize,
    admits: bool,
    /// The last seconds, oldest first.
    seconds: VecDeque<Loads>,
    /// Seconds to wait before the next step.
    settling: u32,
    /// Seconds in a row with little to do.
    calm: u32,
    /// How many such seconds there must be before the next step up.
    patience: u32,
    /// Seconds since the last step up.
    since_exertion: u32,
}

impl Governor {
    /// A thread with nothing to do, whose encoders are configured to try this hard.
    pub(super) fn new(configured: u8) -> Governor {
        Governor {
            steps: LADDER
                .into_iter()
                .filter(|step| *step < configured)
                .collect(),
            taken: 0,
            admits: true,
            seconds: VecDeque::with_capacity(WINDOW + 1),
            settling: 0,
            calm: 0,
            patience: PATIENCE,
            since_exertion: MOST_PATIENCE,
        }
    }

    /// Looks at the ticks of one more second.
    pub(super) fn observe(&mut self, second: Loads) -> Verdict {
        self.seconds.push_back(second);
        if self.seconds.len() > WINDOW {
            self.seconds.pop_front();
        }
        let window = self
            .seconds
            .iter()
            .fold(Loads::NONE, |window, second| window.and(second));
        let work = window.p99_percent();
        let late = work >= OWN_DOING_FROM && window.late() * LATE_ONE_IN > window.ticks();

        self.admits = if late || work >= REFUSE_FROM {
            false
        } else {
            self.admits || work < ADMIT_BELOW
        };
        self.step(second.p99_percent(), work, late);
        self.verdict()
    }

    /// What was decided last.
    pub(super) fn verdict(&self) -> Verdict {
        Verdict {
            complexity: self
                .taken
                .checked_sub(1)
                .and_then(|at| self.steps.get(at))
                .copied(),
            admits: self.admits,
        }
    }

    fn step(&mut self, work_now: u32, work: u32, late: bool) {
        self.since_exertion = self.since_exertion.saturating_add(1);
        self.settling = self.settling.saturating_sub(1);
        self.calm = if work < EXERT_BELOW && !late {
            self.calm + 1
        } else {
            0
        };
        if self.settling > 0 {
            return;
        }
        // Down at once, by what the last second says: the window still holds what came before.
        if (work_now > EASE_ABOVE || late) && self.taken < self.steps.len() {
            if self.since_exertion < MOST_PATIENCE {
                // The step up was one too many; the next attempt waits longer.
                self.patience = (2 * self.patience).min(MOST_PATIENCE);
            }
            self.since_exertion = MOST_PATIENCE;
            self.taken += 1;
            self.settling = SETTLING;
            self.calm = 0;
            return;
        }
        if self.calm >= self.patience && self.taken > 0 {
            self.taken -= 1;
            self.settling = SETTLING;
            self.calm = 0;
            self.since_exertion = 0;
        }
        if self.taken == 0 && self.since_exertion >= MOST_PATIENCE {
            self.patience = PATIENCE;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::counters::ThreadCounters;
    use super::*;

    const TICK: Duration = Duration::from_millis(20);

    /// A second whose ticks take this much of their time.
    fn second(percent: u32) -> Loads {
        let counters = ThreadCounters::default();
        for _ in 0..50 {
            counters.loaded(TICK * percent / 100, TICK);
        }
        counters.loads()
    }

    /// A second in which so many moments are late.
    fn late_second(percent: u32, late: u32) -> Loads {
        let counters = ThreadCounters::default();
        for number in 0..50 {
            let lateness = Duration::from_millis(if number < late { 9 } else { 0 });
            counters.served(lateness, TICK * percent / 100);
            counters.loaded(TICK * percent / 100, TICK);
        }
        counters.loads()
    }

    /// A thread whose work depends on how hard its encoders try.
    fn run(
        governor: &mut Governor,
        seconds: usize,
        work: impl Fn(Option<u8>) -> u32,
    ) -> Vec<Verdict> {
        (0..seconds)
            .map(|_| {
                let complexity = governor.verdict().complexity;
                governor.observe(second(work(complexity)))
            })
            .collect()
    }

    #[test]
    fn a_thread_with_little_to_do_is_left_alone() {
        let mut governor = Governor::new(9);
        let verdicts = run(&mut governor, 600, |_| 55);
        let untouched = Verdict {
            complexity: None,
            admits: true,
        };
        assert!(verdicts.iter().all(|verdict| *verdict == untouched));
    }

    #[test]
    fn encoders_ease_off_step_by_step_before_anybody_is_refused() {
        let mut governor = Governor::new(9);
        let mut seen = Vec::new();
        // More and more comes in, until there is no step left.
        for load in 30..=77 {
            for verdict in run(&mut governor, 4, |_| load) {
                assert!(verdict.admits, "refused at {load} %");
                if seen.last() != Some(&verdict.complexity) {
                    seen.push(verdict.complexity);
                }
            }
        }
        assert_eq!(seen, [None, Some(5), Some(1), Some(0)]);
        assert!(!run(&mut governor, 1, |_| 85)[0].admits);
    }

    #[test]
    fn a_step_down_that_helps_is_the_last_one() {
        let mut governor = Governor::new(9);
        let verdicts = run(&mut governor, 60, |complexity| match complexity {
            None => 75,
            Some(_) => 50,
        });
        assert_eq!(verdicts[59].complexity, Some(5));
        assert!(verdicts.iter().all(|verdict| verdict.admits));
    }

    #[test]
    fn when_the_crowd_has_gone_calls_are_taken_at_once_and_encoders_try_hard_in_a_minute() {
        let mut governor = Governor::new(9);
        run(&mut governor, 20, |_| 90);
        assert_eq!(governor.verdict().complexity, Some(0));
        assert!(!governor.verdict().admits);
        let verdicts = run(&mut governor, 45, |_| 10);
        assert!(verdicts[5].admits);
        assert_eq!(verdicts[44].complexity, None);
    }

    #[test]
    fn a_load_between_two_steps_does_not_make_it_swing() {
        let mut governor = Governor::new(9);
        let verdicts = run(&mut governor, 3_600, |complexity| match complexity {
            None => 65,
            Some(_) => 35,
        });
        let changes = verdicts.windows(2).filter(|two| two[0] != two[1]).count();
        assert!(changes <= 40, "{changes} changes in an hour");
    }

    #[test]
    fn a_single_tick_of_noise_moves_nothing() {
        let mut governor = Governor::new(5);
        for _ in 0..20 {
            governor.observe(second(20));
        }
        let verdict = governor.observe(late_second(20, 1));
        assert_eq!((verdict.complexity, verdict.admits), (None, true));
    }

    #[test]
    fn late_ticks_count_where_they_can_be_the_threads_own_doing() {
        let mut governor = Governor::new(5);
        let verdicts: Vec<_> = (0..6)
            .map(|_| governor.observe(late_second(50, 10)))
            .collect();
        assert!(!verdicts[0].admits);
        assert_eq!(verdicts[5].complexity, Some(0));
        let mut governor = Governor::new(5);
        let verdict = governor.observe(late_second(20, 10));
        assert_eq!((verdict.complexity, verdict.admits), (None, true));
    }

    #[test]
    fn there_is_no_step_below_the_lowest_and_none_above_the_configured_one() {
        let mut governor = Governor::new(0);
        assert_eq!(run(&mut governor, 30, |_| 95)[29].complexity, None);
        let mut governor = Governor::new(3);
        assert_eq!(run(&mut governor, 1, |_| 95)[0].complexity, Some(1));
    }

    #[test]
    fn who_is_admitted_again_must_leave_room_first() {
        let mut governor = Governor::new(0);
        assert!(!run(&mut governor, 6, |_| 82)[5].admits);
        assert!(!run(&mut governor, 20, |_| 75)[19].admits);
        assert!(run(&mut governor, 6, |_| 60)[5].admits);
    }
}
