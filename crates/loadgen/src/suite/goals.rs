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

const BY_SLOPE: &str = "callers are added in steps; a line through the CPU time of all steps in which \
    every call was answered and fewer than 1 % of packets were lost and of ticks left out says how many \
    fill the core; the largest number that was really there and borne is noted";

const CLOSED_BY_THE_KERNEL: &str = "a cheaper way through the kernel, whose share alone nearly fills \
    the core at the goal: on loopback the sender pays for the receiving half of the way, too, which on a \
    real network is the other machine's; and less memory to touch for each listener, since all of them \
    together do not fit into the cache";

const CLOSED_BY_CHEAPER_PACKETS: &str = "less work for a packet that is filed and never heard (its \
    header, its place in the jitter buffer, a look at how loud it is), which takes about half as much as \
    the kernel's share; and a cheaper way through the kernel, where on loopback the sender pays for the \
    receiving half, too";

const CLOSED_BY_PARTS: &str = "more than one media thread for a large conference, mixed in parts: on \
    one thread the last of many listeners waits until all the others' packets are sent; and callers \
    on a machine of their own, since what a busy one is late is waited for like a network's jitter";

const CLOSED_BY_SHORTER_TICKS: &str = "ticks of 10 ms, which halve the wait for the next one and \
    double what a tick costs besides its packets";

pub(super) const GOALS: [Goal; 18] = [
    capacity(
        RECEIVE_ONLY,
        "≈ 880 (Asterisk, from 200)",
        Some(880.0),
        5_000.0,
        CLOSED_BY_THE_KERNEL,
    ),
    capacity(
        SILENCE,
        "30 to 60",
        Some(60.0),
        1_500.0,
        CLOSED_BY_CHEAPER_PACKETS,
    ),
    capacity(
        DTX,
        "≈ 500 (Asterisk)",
        Some(500.0),
        4_000.0,
        CLOSED_BY_THE_KERNEL,
    ),
    capacity(
        PCMU,
        "460 (Janus)",
        Some(460.0),
        3_000.0,
        CLOSED_BY_CHEAPER_PACKETS,
    ),
    capacity(
        PCMU_VOICE,
        "460 (Janus)",
        Some(460.0),
        3_000.0,
        CLOSED_BY_CHEAPER_PACKETS,
    ),
    capacity(
        TURNS,
        "≈ 80",
        Some(80.0),
        250.0,
        "handing on the one talker's own packets instead of decoding and encoding them again, where \
         both sides have agreed on the same format",
    ),
    Goal {
        name: ALL_TALK,
        unit: "×",
        peers: "1.3 to 2",
        peers_value: Some(1.3),
        goal: 1.10,
        wanted: Wanted::AtMost,
        how: "CPU time of the bridge's process over what the bridge's own encoder and decoder take \
              for the same speech on the same core, measured just before",
        closed_by: "cheaper work beside the codec: the detector, the leveller and the two limiters of \
                    a talker",
    },
    delay(
        DELAY_P50,
        "21 (Asterisk)",
        Some(21.0),
        20.0,
        CLOSED_BY_SHORTER_TICKS,
    ),
    delay(
        DELAY_P99,
        "60 (Asterisk)",
        Some(60.0),
        30.0,
        CLOSED_BY_SHORTER_TICKS,
    ),
    delay(
        LOADED_P50,
        "21 (Asterisk, light load)",
        Some(21.0),
        20.0,
        CLOSED_BY_PARTS,
    ),
    delay(
        LOADED_P99,
        "61 (Asterisk, light load)",
        Some(61.0),
        30.0,
        CLOSED_BY_PARTS,
    ),
    memory(
        LISTENER_MEMORY,
        40.0,
        "lending the packet store to legs that are sent something, as decoders are lent to legs that \
         are awake",
    ),
    memory(
        TALKER_MEMORY,
        160.0,
        "a smaller reserve of encoders, which libopus makes as large as it likes",
    ),
    Goal {
        name: LATE_TICKS,
        unit: "",
        peers: "–",
        peers_value: None,
        goal: 0.0,
        wanted: Wanted::AtMost,
        how: "the bridge's own count of ticks more than 5 ms late, with as many conferences of 3 as \
              fill 80 % of the core; beside it what a thread sees on that core that encodes for 80 % of \
              every 5 ms, and one that only sleeps",
        closed_by: "a core without neighbours: the same work takes a third longer on this one for some \
                    tenths of a second, again and again, and now and then it stands still",
    },
    quality(
        SWITCHING,
        "1.34 (cold switch)",
        0.05,
        Wanted::AtMost,
        "PESQ-WB",
        "copying the encoder's state, which libopus lets nobody do without unsafe code",
    ),
    quality(
        LOSS_5,
        "–",
        3.3,
        Wanted::AtLeast,
        "PESQ-WB",
        "redundancy that bridges more than one packet, such as Opus DRED",
    ),
    quality(
        LOSS_10,
        "–",
        2.8,
        Wanted::AtLeast,
        "PESQ-WB",
        "redundancy that bridges more than one packet, such as Opus DRED",
    ),
    quality(
        OWN_VOICE,
        "−17 (Asterisk)",
        -60.0,
        Wanted::AtMost,
        "dB",
        "a limiter that acts on each mix without the listener's own voice, and never on the sum",
    ),
];

const fn capacity(
    name: &'static str,
    peers: &'static str,
    peers_value: Option<f64>,
    goal: f64,
    closed_by: &'static str,
) -> Goal {
    Goal {
        name,
        unit: "per core",
        peers,
        peers_value,
        goal,
        wanted: Wanted::AtLeast,
        how: BY_SLOPE,
        closed_by,
    }
}

const fn delay(
    name: &'static str,
    peers: &'static str,
    peers_value: Option<f64>,
    goal: f64,
    closed_by: &'static str,
) -> Goal {
    Goal {
        name,
        unit: "ms",
        peers,
        peers_value,
        goal,
        wanted: Wanted::AtMost,
        how: "pips in the talkers' speech: from when a sample leaves in its packet to when it \
              arrives in one, plus how much further back it lies there; a forwarder adds 0. Four \
              talkers are a quarter of a tick apart, and callers come anew several times, so that the \
              bridge's ticks lie everywhere against theirs; quantiles are over all of it",
        closed_by,
    }
}

const fn memory(name: &'static str, goal: f64, closed_by: &'static str) -> Goal {
    Goal {
        name,
        unit: "KiB",
        peers: "240 to 1,130",
        peers_value: Some(240.0),
        goal,
        wanted: Wanted::AtMost,
        how: "growth of the process's resident memory from the first to the last step, per caller",
        closed_by,
    }
}

const fn quality(
    name: &'static str,
    peers: &'static str,
    goal: f64,
    wanted: Wanted,
    unit: &'static str,
    closed_by: &'static str,
) -> Goal {
    Goal {
        name,
        unit,
        peers,
        peers_value: None,
        goal,
        wanted,
        how: "simulation in virtual time, by `scripts/test`",
        closed_by,
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
