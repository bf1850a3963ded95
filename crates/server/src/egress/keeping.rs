//! How long an answer may be kept, and how to ask whether it has changed (RFC 9111, RFC 9110 §8.8).

use std::time::Duration;

use reqwest::header::{
    AGE, CACHE_CONTROL, DATE, ETAG, EXPIRES, HeaderMap, HeaderName, LAST_MODIFIED, PRAGMA, VARY,
};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// How long an answer is kept that says nothing about it (FreeClimb API, "Play": 5 s without
/// Cache-Control).
const UNSAID: Duration = Duration::from_secs(5);

/// Nothing is kept longer than this without asking again.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Whether an answer may be kept, and what it is asked for again by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeping {
    /// For how long it need not be asked for again; `None` where it may not be kept at all.
    pub fresh_for: Option<Duration>,
    /// By what its server knows it again, if by anything.
    pub version: Option<Version>,
}

/// By what a server knows an answer again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Where it came from, after redirects: another place knows nothing of it.
    pub(super) url: String,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
}

impl Keeping {
    /// What an answer from this URL says.
    pub(super) fn of(url: &str, headers: &HeaderMap) -> Keeping {
        let (etag, last_modified) = (text(headers, ETAG), text(headers, LAST_MODIFIED));
        let version = (etag.is_some() || last_modified.is_some()).then(|| Version {
            url: url.to_owned(),
            etag,
            last_modified,
        });
        Keeping {
            fresh_for: fresh_for(headers),
            version,
        }
    }

    /// An answer that was reached through another one is kept no longer than that.
    pub(super) fn through(mut self, redirect: Option<Option<Duration>>) -> Keeping {
        if let Some(redirect) = redirect {
            self.fresh_for = shorter(self.fresh_for, redirect);
        }
        self
    }
}

/// The shorter of two times, of which `None` is the shortest.
pub(super) fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.zip(other).map(|(one, other)| one.min(other))
}

/// For how long an answer with these headers is fresh; `None` where it may not be kept.
///
/// The bridge keeps answers for one account alone: what is said to shared caches does not count.
pub(super) fn fresh_for(headers: &HeaderMap) -> Option<Duration> {
    let mut said = Said::default();
    for value in headers.get_all(CACHE_CONTROL) {
        let value = String::from_utf8_lossy(value.as_bytes());
        value.split(',').for_each(|directive| said.note(directive));
    }
    let varies = headers.get_all(VARY).iter();
    if said.no_store || varies.into_iter().any(|vary| vary.as_bytes() == b"*") {
        return None;
    }
    let pragma = || text(headers, PRAGMA).is_some_and(|text| text.contains("no-cache"));
    if said.no_cache || (!headers.contains_key(CACHE_CONTROL) && pragma()) {
        return Some(Duration::ZERO);
    }
    let Some(lifetime) = said.max_age.or_else(|| until_expiry(headers)) else {
        return Some(UNSAID);
    };
    let age = text(headers, AGE).and_then(|age| age.trim().parse().ok());
    let age = Duration::from_secs(age.unwrap_or(0));
    Some(lifetime.saturating_sub(age).min(LONGEST))
}

/// What Cache-Control says that concerns us.
#[derive(Default)]
struct Said {
    no_store: bool,
    no_cache: bool,
    max_age: Option<Duration>,
}

impl Said {
    fn note(&mut self, directive: &str) {
        let (name, value) = match directive.split_once('=') {
            Some((name, value)) => (name, value.trim().trim_matches('"')),
            None => (directive, ""),
        };
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" => self.no_store = true,
            "no-cache" => self.no_cache = true,
            // A time that cannot be read has passed (RFC 9111 §4.2.1); one too long to count is long.
            "max-age" if self.max_age.is_none() => {
                let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                let secs = if is_number { u64::MAX } else { 0 };
                self.max_age = Some(Duration::from_secs(value.parse().unwrap_or(secs)));
            }
            _ => {}
        }
    }
}

/// From the moment an answer was made until it expires, by its server's own clock.
fn until_expiry(headers: &HeaderMap) -> Option<Duration> {
    let expires = text(headers, EXPIRES)?;
    let made = date(&text(headers, DATE)?)?;
    // A date that cannot be read, as in `Expires: 0`, has passed (RFC 9111 §5.3).
    let left = date(&expires).map_or(0, |expires| (expires - made).whole_seconds());
    Some(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

fn date(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc2822).ok()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Lines = &'static [(&'static str, &'static str)];

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            let name: HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        };
        lines.iter().map(pair).collect()
    }

    #[test]
    fn an_answer_is_kept_as_long_as_its_server_says() {
        const MADE: (&str, &str) = ("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let secs = |secs| Some(Duration::from_secs(secs));
        let table: [(Lines, Option<Duration>); 20] = [
            (&[], secs(5)),
            (&[("Cache-Control", "max-age=60")], secs(60)),
            (&[("Cache-Control", "public, Max-Age=\"60\"")], secs(60)),
            (
                &[("Cache-Control", "private, s-maxage=9, max-age=60")],
                secs(60),
            ),
            (&[("Cache-Control", "max-age=60"), ("Age", "50")], secs(10)),
            (&[("Cache-Control", "max-age=60"), ("Age", "90")], secs(0)),
            (&[("Cache-Control", "max-age=never")], secs(0)),
            (
                &[("Cache-Control", "max-age=99999999999999999999")],
                Some(LONGEST),
            ),
            (&[("Cache-Control", "no-store, max-age=60")], None),
            (&[("Cache-Control", "no-cache")], secs(0)),
            (&[("Cache-Control", "public")], secs(5)),
            (
                &[
                    ("Cache-Control", "max-age=60"),
                    ("Cache-Control", "no-store"),
                ],
                None,
            ),
            (&[("Pragma", "no-cache")], secs(0)),
            (
                &[("Pragma", "no-cache"), ("Cache-Control", "max-age=60")],
                secs(60),
            ),
            (
                &[MADE, ("Expires", "Sun, 06 Nov 1994 08:50:37 GMT")],
                secs(60),
            ),
            (
                &[MADE, ("Expires", "Sun, 06 Nov 1994 08:40:00 GMT")],
                secs(0),
            ),
            (&[MADE, ("Expires", "0")], secs(0)),
            (
                &[MADE, ("Expires", "0"), ("Cache-Control", "max-age=60")],
                secs(60),
            ),
            (&[("Vary", "*"), ("Cache-Control", "max-age=60")], None),
            (
                &[("Vary", "Accept"), ("Cache-Control", "max-age=60")],
                secs(60),
            ),
        ];
        for (lines, kept) in table {
            assert_eq!(fresh_for(&headers(lines)), kept, "{lines:?}");
        }
    }

    #[test]
    fn what_a_server_knows_an_answer_by_is_kept_with_its_place() {
        let keeping = Keeping::of("http://a/", &headers(&[("ETag", "\"1\"")]));
        let version = keeping.version.unwrap();
        assert_eq!(
            (version.url, version.etag),
            ("http://a/".into(), Some("\"1\"".into()))
        );
        assert_eq!(Keeping::of("http://a/", &headers(&[])).version, None);
    }

    #[test]
    fn the_way_to_an_answer_shortens_its_time() {
        let minute = Some(Duration::from_secs(60));
        let kept = |redirect| {
            let keeping = Keeping {
                fresh_for: minute,
                version: None,
            };
            keeping.through(redirect).fresh_for
        };
        assert_eq!(kept(None), minute);
        assert_eq!(kept(Some(Some(UNSAID))), Some(UNSAID));
        assert_eq!(kept(Some(None)), None);
    }
}
