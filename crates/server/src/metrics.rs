//! `/metrics`: what the bridge is doing, for Prometheus.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tutti_sip::Endpoint;

use crate::control::ControlHandle;
use crate::media::ThreadCounters;

/// Serves the figures of one bridge; they carry no names, numbers or secrets.
pub fn router(control: ControlHandle, sip: Endpoint, media: Vec<Arc<ThreadCounters>>) -> Router {
    let page = move || {
        let text = render(&control, &sip, &media);
        async move { ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response() }
    };
    Router::new().route("/metrics", get(page))
}

fn render(control: &ControlHandle, sip: &Endpoint, media: &[Arc<ThreadCounters>]) -> String {
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

    type Figure = fn(&ThreadCounters) -> u64;
    let figures: [(&str, &str, Figure); 5] = [
        ("tutti_ticks_total", "Ticks of a media thread.", |c| {
            c.ticks.load(Ordering::Relaxed)
        }),
        (
            "tutti_late_ticks_total",
            "Ticks that began over 5 ms late.",
            |c| c.late_ticks.load(Ordering::Relaxed),
        ),
        (
            "tutti_skipped_ticks_total",
            "Ticks skipped after a pause.",
            |c| c.skipped_ticks.load(Ordering::Relaxed),
        ),
        (
            "tutti_media_events_lost_total",
            "Events without room.",
            |c| c.lost_events.load(Ordering::Relaxed),
        ),
        (
            "tutti_media_busy_microseconds_total",
            "Time spent in ticks.",
            |c| c.busy_nanos.load(Ordering::Relaxed) / 1_000,
        ),
    ];
    for (name, help, figure) in figures {
        head(&mut page, name, help, "counter");
        for (thread, counters) in media.iter().enumerate() {
            let _ = writeln!(page, "{name}{{thread=\"{thread}\"}} {}", figure(counters));
        }
    }
    page
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
