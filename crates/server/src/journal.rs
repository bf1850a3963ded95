//! The accounts' logs of what was asked over HTTP, by them and of them.
//!
//! Writing a log never holds up a request or a call: lines wait in a bounded queue for one task
//! that writes many at once, and a line for which there is no room is counted and gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tutti_store::{LogLine, Store};
use url::Url;

/// Lines that may wait.
const WAITING: usize = 4_096;

/// Lines that are written in one transaction.
const BATCH: usize = 256;

/// How long the first line of a batch waits for others.
const LINGER: Duration = Duration::from_millis(50);

/// How long to wait before a failing store is asked again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// The longest URL that is noted, in characters.
const MAX_URL_CHARS: usize = 500;

/// Takes lines for the accounts' logs. Clones fill the same logs.
#[derive(Clone)]
pub struct Journal {
    notes: mpsc::Sender<Note>,
    lost: Arc<AtomicU64>,
}

enum Note {
    Line(Box<LogLine>),
    /// Everything before it is to be written, and then this said.
    Flush(oneshot::Sender<()>),
}

impl Journal {
    /// Starts the task that writes; it ends with the last clone.
    pub fn start(store: Store) -> Journal {
        let (notes, waiting) = mpsc::channel(WAITING);
        tokio::spawn(write(store, waiting));
        Journal {
            notes,
            lost: Arc::default(),
        }
    }

    /// Hands a line over, or loses it where too many wait.
    pub fn note(&self, line: LogLine) {
        if self.notes.try_send(Note::Line(Box::new(line))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lines that were lost because the store could not keep up.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until everything noted so far is written, or the patience ends.
    pub async fn flush(&self, patience: Duration) {
        let written = async {
            let (done, written) = oneshot::channel();
            if self.notes.send(Note::Flush(done)).await.is_ok() {
                let _ = written.await;
            }
        };
        let _ = tokio::time::timeout(patience, written).await;
    }
}

async fn write(store: Store, mut waiting: mpsc::Receiver<Note>) {
    let mut notes = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut notes, BATCH).await > 0 {
        if !notes.iter().any(|note| matches!(note, Note::Flush(_))) && notes.len() < BATCH {
            tokio::time::sleep(LINGER).await;
            while notes.len() < BATCH
                && let Ok(note) = waiting.try_recv()
            {
                notes.push(note);
            }
        }
        let (mut lines, mut flushed) = (Vec::new(), Vec::new());
        for note in notes.drain(..) {
            match note {
                Note::Line(line) => lines.push(*line),
                Note::Flush(done) => flushed.push(done),
            }
        }
        // Meanwhile the queue fills, and what finds no room there is counted.
        while !lines.is_empty()
            && let Err(error) = store.commit(&[], &[], &lines).await
        {
            tracing::error!(%error, "the store takes no log lines; trying again");
            tokio::time::sleep(STORE_PAUSE).await;
        }
        for done in flushed {
            let _ = done.send(());
        }
    }
}

/// A URL as a log shows it: without user name, password, query and fragment, which may be secret.
pub fn shown_url(url: &str) -> String {
    let bare = match Url::parse(url) {
        Ok(mut url) => {
            // These are refused only by URLs that have no place for them.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_query(None);
            url.set_fragment(None);
            String::from(url)
        }
        // Not even where a password would be is known.
        Err(_) => "(not a URL)".to_owned(),
    };
    bare.chars().take(MAX_URL_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use tutti_control_plane::{LogEntry, LogLevel};
    use tutti_model::{AccountId, RequestId, Timestamp};
    use tutti_store::{LogFilter, Page};

    use super::*;

    const ACCOUNT: AccountId = AccountId::from_bytes([1; 20]);

    #[tokio::test]
    async fn everything_noted_before_a_flush_is_in_the_log_in_its_order() {
        let store = Store::open("sqlite::memory:").await.unwrap();
        let journal = Journal::start(store.clone());
        let many = i64::try_from(BATCH).unwrap() * 2 + 7;
        (0..many).for_each(|number| journal.note(line(number)));
        journal.flush(Duration::from_secs(60)).await;
        let page = Page::first(u32::try_from(many).unwrap() + 1);
        let logs = store.logs(ACCOUNT, &LogFilter::default(), &page).await;
        let written: Vec<_> = logs.unwrap().items;
        let written = written.iter().rev().map(|record| record.line.clone());
        assert!(written.eq((0..many).map(line)));
        assert_eq!(journal.lost(), 0);
    }

    #[tokio::test]
    async fn a_line_without_room_is_counted_and_holds_nobody_up() {
        let (notes, waiting) = mpsc::channel(2);
        let journal = Journal {
            notes,
            lost: Arc::default(),
        };
        (0..5).for_each(|number| journal.note(line(number)));
        assert_eq!(journal.lost(), 3);
        assert_eq!(waiting.len(), 2);
    }

    #[test]
    fn a_log_shows_no_secret_part_of_a_url() {
        for (url, shown) in [
            ("https://app.example/a/b", "https://app.example/a/b"),
            ("https://app.example:8443", "https://app.example:8443/"),
            ("https://u:p@app.example/a?k=1#f", "https://app.example/a"),
            ("app.example/a?k=1", "(not a URL)"),
            ("mailto:u@app.example?k=1", "mailto:u@app.example"),
        ] {
            assert_eq!(shown_url(url), shown, "{url}");
        }
        let long = format!("http://app.example/{}", "ä".repeat(5_000));
        assert_eq!(shown_url(&long).chars().count(), MAX_URL_CHARS);
    }

    fn line(number: i64) -> LogLine {
        LogLine {
            at: Timestamp::from_micros(number),
            url: None,
            metadata: None,
            entry: LogEntry {
                account: ACCOUNT,
                call: None,
                conference: None,
                level: LogLevel::Info,
                request: RequestId::from_bytes([2; 20]),
                message: format!("line {number}"),
            },
        }
    }
}
