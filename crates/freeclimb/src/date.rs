//! Dates as the API writes and asks for them, always in UTC.

use std::ops::Range;
use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use time::macros::{datetime, format_description};
use time::{Date, OffsetDateTime, PrimitiveDateTime};
use tutti_model::Timestamp;

/// `Mon, 15 Jun 2009 20:45:30 GMT` (RFC 1123).
pub fn rfc1123(moment: Timestamp) -> String {
    let date = utc(moment);
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        head(&date.weekday().to_string()),
        date.day(),
        head(&date.month().to_string()),
        date.year(),
        date.hour(),
        date.minute(),
        date.second(),
    )
}

/// `2024-10-09T15:05:03.358Z` (RFC 3339, milliseconds).
pub fn iso(moment: Timestamp) -> String {
    let date = utc(moment);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second(),
        date.millisecond(),
    )
}

/// All of the day written `YYYY-MM-DD`.
pub fn day(text: &str) -> Option<Range<Timestamp>> {
    let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
    let midnight = timestamp(date.midnight());
    Some(midnight..midnight + Duration::from_hours(24))
}

/// The moment written `YYYY-MM-DD hh:mm:ss`.
pub fn moment(text: &str) -> Option<Timestamp> {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");
    PrimitiveDateTime::parse(text, format).ok().map(timestamp)
}

/// The moment that a machine writes: a date and a time with or without fractions of a second and
/// zone (RFC 3339), or a date alone. Without a zone it is UTC.
pub fn instant(text: &str) -> Option<Timestamp> {
    if let Some(day) = day(text) {
        return Some(day.start);
    }
    let date = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&format!("{text}Z"), &Rfc3339))
        .ok()?;
    let micros = date.unix_timestamp_nanos().div_euclid(1_000);
    i64::try_from(micros).ok().map(Timestamp::from_micros)
}

/// The date of a moment; what no calendar reaches becomes the nearest date it does.
fn utc(moment: Timestamp) -> OffsetDateTime {
    const EARLIEST: OffsetDateTime = datetime!(0001-01-01 00:00 UTC);
    const LATEST: OffsetDateTime = datetime!(9999-12-31 23:59:59 UTC);
    let nanos = i128::from(moment.as_micros()) * 1_000;
    match OffsetDateTime::from_unix_timestamp_nanos(nanos) {
        Ok(date) => date.clamp(EARLIEST, LATEST),
        Err(_) if nanos < 0 => EARLIEST,
        Err(_) => LATEST,
    }
}

fn timestamp(date: PrimitiveDateTime) -> Timestamp {
    Timestamp::from_micros(date.assume_utc().unix_timestamp() * 1_000_000)
}

/// The three letters that RFC 1123 keeps of a weekday's or month's name.
fn head(name: &str) -> &str {
    name.get(..3).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_clients_parse_them() {
        let moment = Timestamp::from_micros(1_245_098_730_358_999);
        assert_eq!(rfc1123(moment), "Mon, 15 Jun 2009 20:45:30 GMT");
        assert_eq!(iso(moment), "2009-06-15T20:45:30.358Z");
        let leap = Timestamp::from_micros(951_782_400_000_000);
        assert_eq!(rfc1123(leap), "Tue, 29 Feb 2000 00:00:00 GMT");
    }

    #[test]
    fn a_moment_beyond_every_calendar_still_has_a_date() {
        assert_eq!(
            iso(Timestamp::from_micros(i64::MAX)),
            "9999-12-31T23:59:59.000Z"
        );
        assert_eq!(
            rfc1123(Timestamp::from_micros(i64::MIN)),
            "Mon, 01 Jan 0001 00:00:00 GMT"
        );
    }

    #[test]
    fn a_day_lasts_from_midnight_to_midnight() {
        let range = day("2009-06-15").unwrap();
        assert_eq!(iso(range.start), "2009-06-15T00:00:00.000Z");
        assert_eq!(iso(range.end), "2009-06-16T00:00:00.000Z");
    }

    #[test]
    fn only_whole_dates_are_understood() {
        for text in ["", "2009-6-15", "2009-02-30", "15.06.2009", "2009-06-15 "] {
            assert_eq!(day(text), None, "{text:?}");
        }
        for text in ["2009-06-15", "2009-06-15 24:00:00", "2009-06-15T10:00:00"] {
            assert_eq!(moment(text), None, "{text:?}");
        }
        assert_eq!(
            moment("2009-06-15 20:45:30"),
            Some(Timestamp::from_micros(1_245_098_730_000_000))
        );
    }

    #[test]
    fn a_machine_may_write_fractions_and_zones_or_neither() {
        let moment = Timestamp::from_micros(1_592_854_973_376_000);
        for text in [
            "2020-06-22T19:42:53.376Z",
            "2020-06-22T21:42:53.376+02:00",
            "2020-06-22T19:42:53.376",
            "2020-06-22T19:42:53.376000999Z",
        ] {
            assert_eq!(instant(text), Some(moment), "{text}");
        }
        assert_eq!(
            instant("2020-06-22"),
            day("2020-06-22").map(|day| day.start)
        );
        for text in [
            "",
            "now",
            "2020-06-22T",
            "2020-13-01T00:00:00Z",
            "1592854973376000",
        ] {
            assert_eq!(instant(text), None, "{text:?}");
        }
    }
}
