//! The `Range` header of a request for a file (RFC 9110 §14).

use tutti_freeclimb::error::ApiError;

/// Some bytes of a file, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByteRange {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl ByteRange {
    /// The one range that a header asks for; `None` when the whole file is the right answer, as it
    /// is for headers that are not understood and for several ranges at once.
    pub(super) fn parse(header: &[u8], size_bytes: u64) -> Result<Option<ByteRange>, ApiError> {
        let text = std::str::from_utf8(header).unwrap_or_default().trim();
        let Some((first, last)) = text
            .strip_prefix("bytes=")
            .filter(|ranges| !ranges.contains(','))
            .and_then(|range| range.split_once('-'))
        else {
            return Ok(None);
        };
        let end = size_bytes.saturating_sub(1);
        let range = match (first.trim().parse(), last.trim()) {
            (Ok(first), "") => ByteRange { first, last: end },
            (Ok(first), last) => match last.parse::<u64>() {
                Ok(last) if last >= first => ByteRange {
                    first,
                    last: last.min(end),
                },
                Ok(_) | Err(_) => return Ok(None),
            },
            (Err(_), last) => match (first.trim(), last.parse::<u64>()) {
                ("", Ok(count)) => ByteRange {
                    // The last bytes of the file; of none there is no range.
                    first: if count == 0 {
                        size_bytes
                    } else {
                        size_bytes.saturating_sub(count)
                    },
                    last: end,
                },
                (_, Ok(_) | Err(_)) => return Ok(None),
            },
        };
        if range.first >= size_bytes {
            return Err(ApiError::NoSuchRange { size_bytes });
        }
        Ok(Some(range))
    }

    /// How many bytes it has.
    pub(super) fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood() {
        for (header, first, last) in [
            ("bytes=0-99", 0, 99),
            ("bytes=100-", 100, 999),
            ("bytes=-10", 990, 999),
            ("bytes=-5000", 0, 999),
            ("bytes=900-5000", 900, 999),
            (" bytes= 7 - 7 ", 7, 7),
        ] {
            let range = ByteRange::parse(header.as_bytes(), 1_000);
            assert_eq!(range, Ok(Some(ByteRange { first, last })), "{header}");
        }
        assert_eq!(ByteRange { first: 0, last: 99 }.length(), 100);
    }

    #[test]
    fn anything_else_gets_the_whole_file() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=9-3",
            "bytes=0-1,5-6",
            "seconds=1-2",
            "bytes=1-x",
            "bytes=x-1",
        ] {
            assert_eq!(
                ByteRange::parse(header.as_bytes(), 1_000),
                Ok(None),
                "{header}"
            );
        }
    }

    #[test]
    fn a_range_behind_the_end_is_refused() {
        for (header, size_bytes) in [
            ("bytes=1000-", 1_000),
            ("bytes=18446744073709551615-", 1_000),
            ("bytes=-0", 1_000),
            ("bytes=0-", 0),
            ("bytes=-1", 0),
        ] {
            assert_eq!(
                ByteRange::parse(header.as_bytes(), size_bytes),
                Err(ApiError::NoSuchRange { size_bytes }),
                "{header}"
            );
        }
    }
}
