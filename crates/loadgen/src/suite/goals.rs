//! What is promised?

use super::row::{Goal, Wanted};

pub(super) const RECEIVE_ONLY: &str = "Opus, one conference, 3 talk, the others only receive";
pub(super) const SILENCE: &str = "Opus, one conference, 3 talk, the others send silence";
pub(super) const DTX: &str = "Opus, one conference, 3 talk, the others send DTX";
pub(super) const PCMU: &str = "PCMU, one conference, all send: 3 talk, the others room noise";
pub(super) const PCMU_VOICE: &str = "PCMU, one conference, all send: everybody talks at once";
pub(super) const TURNS: &str = "Opus, conferences of 3, one talks at a time, complexity 5";
pub(super) const ALL_TALK: &str = "Opus, conferences of 3, all talk: CPU over bare libopus";
pub(super) const DELAY_P50: &str = "Delay added, PCMU, 20 callers, p50";
pub(super) const DELAY_P99: &str = "Delay added, PCMU, 20 callers, p99";
pub(super) const LOADED_P50: &str = "Delay added, PCMU, the worst of all loads, p50";
pub(super) const LOADED_P99: &str = "Delay added, PCMU, the worst of all loads, p99";
pub(super) const LISTENER_MEMORY: &str = "Memory of an Opus listener";
pub(super) const TALKER_MEMORY: &str = "Memory of an Opus talker";
pub(super) const LATE_TICKS: &str = "Late ticks in a million, at 80 % of the core";

/// What the simulation tests measure; `quality.json` beside the build holds it by these names.
pub(super) const LOSS_5: &str = "Opus with FEC, 5 % lost, 40 ms of jitter";
pub(super) const LOSS_10: &str = "Opus with FEC, 10 % lost, 40 ms of jitter";
pub(super) const OWN_VOICE: &str = "Own voice before encoding, 6 talkers at −12 dBov";

/// Two figures of theirs, and the row that has the difference.
pub(super) const ONE_ENCODER: &str = "Opus, one encoder";
pub(super) const SWITCHED_ENCODER: &str = "Opus, another encoder every 0.5 s";
pub(super) const SWITCHING: &str = "Opus, lost by another encoder every 0.5 s";

const BY_SLOPE: &str = "callers are added in steps; a line through the CPU time of the steps that \
    were borne says how many fill the core; the largest number that was really there is noted";

pub(super) const GOALS: [Goal; 18] = [
    capacity(
        RECEIVE_ONLY,
        "≈ 880 (Asterisk, from 200)",
        Some(880.0),
        5_000.0,
    ),
    capacity(SILENCE, "30 to 60", Some(60.0), 1_500.0),
    capacity(DTX, "≈ 500 (Asterisk)", Some(500.0), 4_000.0),
    capacity(PCMU, "460 (Janus)", Some(460.0), 3_000.0),
    capacity(PCMU_VOICE, "460 (Janus)", Some(460.0), 3_000.0),
    capacity(TURNS, "≈ 80", Some(80.0), 250.0),
    Goal {
        name: ALL_TALK,
        unit: "×",
        peers: "1.3 to 2",
        peers_value: Some(1.3),
        goal: 1.10,
        wanted: Wanted::AtMost,
        how: "CPU time of the bridge's process over what the bridge's own encoder and decoder take \
              for the same speech on the same core, measured just before",
    },
    delay(DELAY_P50, "21 (Asterisk)", Some(21.0), 20.0),
    delay(DELAY_P99, "60 (Asterisk)", Some(60.0), 30.0),
    delay(LOADED_P50, "21 (Asterisk, light load)", Some(21.0), 20.0),
    delay(LOADED_P99, "61 (Asterisk, light load)", Some(61.0), 30.0),
    memory(LISTENER_MEMORY, 40.0),
    memory(TALKER_MEMORY, 160.0),
    Goal {
        name: LATE_TICKS,
        unit: "",
        peers: "–",
        peers_value: None,
        goal: 0.0,
        wanted: Wanted::AtMost,
        how: "the bridge's own count of ticks more than 5 ms late, with as many conferences of 3 as \
              fill 80 % of the core; beside it what a thread sees that only sleeps on that core",
    },
    quality(
        SWITCHING,
        "1.34 (cold switch)",
        0.05,
        Wanted::AtMost,
        "PESQ-WB",
    ),
    quality(LOSS_5, "–", 3.3, Wanted::AtLeast, "PESQ-WB"),
    quality(LOSS_10, "–", 2.8, Wanted::AtLeast, "PESQ-WB"),
    quality(OWN_VOICE, "−17 (Asterisk)", -60.0, Wanted::AtMost, "dB"),
];

const fn capacity(
    name: &'static str,
    peers: &'static str,
    peers_value: Option<f64>,
    goal: f64,
) -> Goal {
    Goal {
        name,
        unit: "per core",
        peers,
        peers_value,
        goal,
        wanted: Wanted::AtLeast,
        how: BY_SLOPE,
    }
}

const fn delay(
    name: &'static str,
    peers: &'static str,
    peers_value: Option<f64>,
    goal: f64,
) -> Goal {
    Goal {
        name,
        unit: "ms",
        peers,
        peers_value,
        goal,
        wanted: Wanted::AtMost,
        how: "pips in the talkers' speech: from when a sample leaves in its packet to when it \
              arrives in one, plus how much further back it lies there; a forwarder adds 0",
    }
}

const fn memory(name: &'static str, goal: f64) -> Goal {
    Goal {
        name,
        unit: "KiB",
        peers: "240 to 1,130",
        peers_value: Some(240.0),
        goal,
        wanted: Wanted::AtMost,
        how: "growth of the process's resident memory from the first to the last step, per caller",
    }
}

const fn quality(
    name: &'static str,
    peers: &'static str,
    goal: f64,
    wanted: Wanted,
    unit: &'static str,
) -> Goal {
    Goal {
        name,
        unit,
        peers,
        peers_value: None,
        goal,
        wanted,
        how: "simulation in virtual time, by `scripts/test`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own() {
        for (at, goal) in GOALS.iter().enumerate() {
            assert!(
                GOALS[..at].iter().all(|other| other.name != goal.name),
                "{}",
                goal.name
            );
        }
    }
}
