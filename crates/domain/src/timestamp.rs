//! A moment in time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment, UTC, in whole microseconds since 1970, which is what both stores can hold.
///
/// Moments made by this service are whole milliseconds; rows written by the original may be finer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The range that RFC 3339 can print: years 0001 to 9999.
const MIN_MICROS: i64 = -62_135_596_800_000_000;
const MAX_MICROS: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// The moment this many microseconds after 1970, held within years 1 to 9999.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros < MIN_MICROS {
            Self(MIN_MICROS)
        } else if micros > MAX_MICROS {
            Self(MAX_MICROS)
        } else {
            Self(micros)
        }
    }

    /// The moment this many seconds after 1970, held within years 1 to 9999.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_micros(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The same moment without anything finer than a millisecond.
    #[must_use]
    pub const fn whole_millis(self) -> Self {
        Self(self.0.saturating_sub(self.0.rem_euclid(1_000)))
    }

    /// The moment `span` later, at most the last one.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// The moment `span` earlier, at least the first one.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// The same moment as stores and libraries know it.
    #[must_use]
    pub fn datetime(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0).saturating_mul(1_000))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl From<OffsetDateTime> for Timestamp {
    fn from(moment: OffsetDateTime) -> Self {
        let micros = moment.unix_timestamp_nanos().div_euclid(1_000);
        Self::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339, UTC, as many fractional digits as are needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.datetime().format(&Rfc3339).map_err(|_| fmt::Error)?)
    }
}

/// Text that is no moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a moment like 2026-11-22T16:30:00Z (RFC 3339)")]
pub struct NotAMoment;

impl FromStr for Timestamp {
    type Err = NotAMoment;

    /// RFC 3339 in any zone; what is finer than a microsecond is cut off.
    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        OffsetDateTime::parse(text, &Rfc3339).map(Self::from).map_err(|_| NotAMoment)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_only_the_digits_it_needs() {
        assert_eq!(Timestamp::from_seconds(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_micros(1_800_000).to_string(), "1970-01-01T00:00:01.8Z");
        assert_eq!(Timestamp::from_micros(-1).seconds(), -1);
    }

    #[test]
    fn reads_what_it_prints() {
        for micros in [i64::MIN, -1, 0, 1_700_000_000_123_457, i64::MAX] {
            let moment = Timestamp::from_micros(micros);
            assert_eq!(moment.to_string().parse(), Ok(moment));
        }
        let elsewhere = "2023-11-15T01:13:20.123456789+03:00".parse();
        assert_eq!(elsewhere, Ok(Timestamp::from_micros(1_700_000_000_123_456)));
        for odd in ["", "2024-05-16 16:05:01", "2024-05-16", "now", "2024-13-01T00:00:00Z"] {
            assert_eq!(odd.parse::<Timestamp>(), Err(NotAMoment), "{odd}");
        }
    }

    #[test]
    fn never_leaves_the_range_that_can_be_printed() {
        assert_eq!(Timestamp::from_micros(i64::MAX).to_string(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp::from_micros(i64::MIN).to_string(), "0001-01-01T00:00:00Z");
        assert_eq!(Timestamp::from_seconds(i64::MAX).plus(Duration::MAX).micros(), MAX_MICROS);
    }
}
