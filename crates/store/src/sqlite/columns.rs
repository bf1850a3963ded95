//! Our values in SQLite's columns: text, integers and bytes.

use std::str::FromStr;
use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use tutti_model::Timestamp;

use crate::StoreError;
use crate::word::Word;

/// Reads one row, and says which column is unreadable.
pub(super) struct Columns<'r>(pub(super) &'r SqliteRow);

impl Columns<'_> {
    pub(super) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(super) fn text_or_null(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(super) fn bytes(&self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(super) fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    /// A number of any of our types that fits into it.
    pub(super) fn number<N: TryFrom<i64>>(&self, column: &'static str) -> Result<N, StoreError> {
        let number: i64 = self.0.try_get(column)?;
        N::try_from(number).map_err(|_| StoreError::Damaged { column })
    }

    pub(super) fn id<I: FromStr>(&self, column: &'static str) -> Result<I, StoreError> {
        let text = self.text(column)?;
        text.parse().map_err(|_| StoreError::Damaged { column })
    }

    pub(super) fn id_or_null<I: FromStr>(
        &self,
        column: &'static str,
    ) -> Result<Option<I>, StoreError> {
        let parse = |text: String| text.parse().map_err(|_| StoreError::Damaged { column });
        self.text_or_null(column)?.map(parse).transpose()
    }

    pub(super) fn word<W: Word>(&self, column: &'static str) -> Result<W, StoreError> {
        W::from_word(&self.text(column)?).ok_or(StoreError::Damaged { column })
    }

    pub(super) fn word_or_null<W: Word>(
        &self,
        column: &'static str,
    ) -> Result<Option<W>, StoreError> {
        let read = |text: String| W::from_word(&text).ok_or(StoreError::Damaged { column });
        self.text_or_null(column)?.map(read).transpose()
    }

    pub(super) fn moment(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        Ok(Timestamp::from_micros(self.0.try_get(column)?))
    }

    pub(super) fn moment_or_null(
        &self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let micros: Option<i64> = self.0.try_get(column)?;
        Ok(micros.map(Timestamp::from_micros))
    }

    pub(super) fn duration(&self, column: &'static str) -> Result<Duration, StoreError> {
        Ok(Duration::from_micros(self.number(column)?))
    }
}

/// An identifier as its column has it.
pub(super) fn id_text<I: ToString>(id: Option<I>) -> Option<String> {
    id.map(|id| id.to_string())
}

/// A word as its column has it.
pub(super) fn word_text<W: Word>(word: Option<W>) -> Option<&'static str> {
    word.map(Word::word)
}

/// A moment as its column has it.
pub(super) fn micros(moment: Option<Timestamp>) -> Option<i64> {
    moment.map(Timestamp::as_micros)
}

/// A number as its column has it; SQLite's reach to 2^63.
pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A duration as its column has it.
pub(super) fn duration_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
