//! `/metrics`: what the bridge is doing, for Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tutti_sip::Endpoint;

use crate::control::ControlHandle;
use crate::journal::Journal;
use crate::media::{LATENESS_BOUNDS, MediaCounters, ThreadCounters};

/// Serves the figures of one bridge; they carry no names, numbers or secrets.
pub fn router(
    control: ControlHandle,
    sip: Endpoint,
    media: MediaCounters,
    journal: Journal,
) -> Router {
    let page = move || {
        let text = render(&control, &sip, &media, &journal);
        async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response() }
    };
    Router::new().route("/metrics", get(page))
}

fn render(
    control: &ControlHandle,
    sip: &Endpoint,
    media: &MediaCounters,
    journal: &Journal,
) -> String {
    let mut page = String::new();
    let view = control.view();
    gauge(
        &mut page,
        "tutti_calls",
        "Calls that have not ended.",
        view.calls() as u64,
    );
    gauge(
        &mut page,
        "tutti_conferences",
        "Conferences not terminated.",
        view.conferences() as u64,
    );
    gauge(
        &mut page,
        "tutti_participants",
        "Participants of all conferences.",
        view.participants() as u64,
    );
    gauge(
        &mut page,
        "tutti_legs",
        "Legs on media threads.",
        view.legs() as u64,
    );

    let counters = sip.counters();
    counter(
        &mut page,
        "tutti_sip_requests_total",
        "SIP requests received.",
        counters.requests_received,
    );
    counter(
        &mut page,
        "tutti_sip_malformed_total",
        "Datagrams and streams that are not SIP.",
        counters.malformed,
    );
    counter(
        &mut page,
        "tutti_sip_refused_total",
        "SIP requests refused by policy.",
        counters.refused,
    );
    counter(
        &mut page,
        "tutti_sip_overloaded_total",
        "Dialogs refused with 503.",
        counters.overloaded,
    );

    counter(
        &mut page,
        "tutti_log_lines_lost_total",
        "Lines of accounts' logs for which the store had no time.",
        journal.lost(),
    );

    render_media(&mut page, media);
    page
}

fn render_media(page: &mut String, media: &MediaCounters) {
    counter(
        page,
        "tutti_legs_refused_total",
        "Calls for which the media plane had no room.",
        media.refused.load(Ordering::Relaxed),
    );
    type Figure = fn(&ThreadCounters) -> u64;
    let figures: [(&str, &str, &str, Figure); 13] = [
        (
            "tutti_ticks_total",
            "Moments in which a media thread served legs; four make a tick.",
            "counter",
            |c| c.ticks.load(Ordering::Relaxed),
        ),
        (
            "tutti_late_ticks_total",
            "Moments that began over 5 ms late.",
            "counter",
            |c| c.late_ticks.load(Ordering::Relaxed),
        ),
        (
            "tutti_hurried_ticks_total",
            "Moments whose encoders tried less hard, because the thread had fallen behind.",
            "counter",
            |c| c.hurried_ticks.load(Ordering::Relaxed),
        ),
        (
            "tutti_skipped_ticks_total",
            "Whole ticks given up after a pause.",
            "counter",
            |c| c.skipped_ticks.load(Ordering::Relaxed),
        ),
        (
            "tutti_media_rests_total",
            "Times a media thread had nobody to serve and slept.",
            "counter",
            |c| c.rests.load(Ordering::Relaxed),
        ),
        (
            "tutti_media_events_lost_total",
            "Events without room.",
            "counter",
            |c| c.lost_events.load(Ordering::Relaxed),
        ),
        (
            "tutti_media_busy_microseconds_total",
            "Time spent serving legs.",
            "counter",
            |c| c.busy_nanos.load(Ordering::Relaxed) / 1_000,
        ),
        (
            "tutti_media_encodes_total",
            "Frames that were encoded, for one leg or for all that hear the same.",
            "counter",
            |c| c.encodes.load(Ordering::Relaxed),
        ),
        (
            "tutti_media_served_ahead_total",
            "Legs of a crowd that were dealt with before their tick.",
            "counter",
            |c| c.served_ahead.load(Ordering::Relaxed),
        ),
        (
            "tutti_media_waits_total",
            "Frames of voices that found no place among the contributors.",
            "counter",
            |c| c.waits.load(Ordering::Relaxed),
        ),
        (
            "tutti_opus_complexity",
            "How hard Opus encoders try, 0 to 10.",
            "gauge",
            |c| u64::from(c.complexity.load(Ordering::Relaxed)),
        ),
        (
            "tutti_media_admits",
            "Whether a media thread takes more legs.",
            "gauge",
            |c| u64::from(c.admits.load(Ordering::Relaxed)),
        ),
        (
            "tutti_media_priority",
            "Whether a media thread goes before others: 0 no, 1 by niceness, 2 in real time.",
            "gauge",
            |c| u64::from(c.priority.load(Ordering::Relaxed)),
        ),
    ];
    for (name, help, kind, figure) in figures {
        head(page, name, help, kind);
        for (thread, counters) in media.threads.iter().enumerate() {
            let _ = writeln!(page, "{name}{{thread=\"{thread}\"}} {}", figure(counters));
        }
    }

    let name = "tutti_tick_lateness_seconds";
    head(page, name, "How late moments begin.", "histogram");
    for (thread, counters) in media.threads.iter().enumerate() {
        let (buckets, count, sum) = counters.lateness();
        for (bound, total) in LATENESS_BOUNDS.iter().zip(buckets) {
            let bound = bound.as_secs_f64();
            let _ = writeln!(
                page,
                "{name}_bucket{{thread=\"{thread}\",le=\"{bound}\"}} {total}"
            );
        }
        let sum = sum.as_secs_f64();
        let _ = writeln!(
            page,
            "{name}_bucket{{thread=\"{thread}\",le=\"+Inf\"}} {count}\n\
             {name}_sum{{thread=\"{thread}\"}} {sum}\n\
             {name}_count{{thread=\"{thread}\"}} {count}"
        );
    }
}

fn gauge(page: &mut String, name: &str, help: &str, value: u64) {
    head(page, name, help, "gauge");
    let _ = writeln!(page, "{name} {value}");
}

fn counter(page: &mut String, name: &str, help: &str, value: u64) {
    head(page, name, help, "counter");
    let _ = writeln!(page, "{name} {value}");
}

fn head(page: &mut String, name: &str, help: &str, kind: &str) {
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn lateness_is_a_histogram_of_each_thread() {
        let media = MediaCounters {
            threads: vec![Arc::default(), Arc::default()],
            refused: Arc::default(),
        };
        media.refused.store(3, Ordering::Relaxed);
        let mut page = String::new();
        render_media(&mut page, &media);
        for line in [
            "tutti_legs_refused_total 3",
            "# TYPE tutti_tick_lateness_seconds histogram",
            "tutti_tick_lateness_seconds_bucket{thread=\"0\",le=\"0.0005\"} 0",
            "tutti_tick_lateness_seconds_bucket{thread=\"1\",le=\"+Inf\"} 0",
            "tutti_tick_lateness_seconds_count{thread=\"1\"} 0",
            "tutti_media_admits{thread=\"1\"} 1",
        ] {
            assert!(
                page.lines().any(|known| known == line),
                "no {line} in\n{page}"
            );
        }
    }
}
