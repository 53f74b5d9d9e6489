//! Times as columns hold them: microseconds since 2000, with or without a time zone.
//!
//! Read and written as bare numbers, because libraries panic at `infinity` and at years beyond 9999,
//! which rows of the original may hold.

use auth_domain::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};
use time::{OffsetDateTime, PrimitiveDateTime};

/// Microseconds from 1970 to 2000.
const EPOCH: i64 = 946_684_800_000_000;

/// A `timestamptz`.
#[derive(Clone, Copy)]
pub(crate) struct Moment(pub(crate) Timestamp);

/// A `timestamp` that holds UTC.
#[derive(Clone, Copy)]
pub(crate) struct PlainMoment(pub(crate) Timestamp);

fn encode(moment: Timestamp, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
    Encode::<Postgres>::encode(moment.micros().saturating_sub(EPOCH), buffer)
}

fn decode(value: PgValueRef<'_>) -> Result<Timestamp, BoxDynError> {
    match value.format() {
        PgValueFormat::Binary => {
            let micros: i64 = Decode::<Postgres>::decode(value)?;
            // Infinity becomes the last moment there is.
            Ok(Timestamp::from_micros(micros.saturating_add(EPOCH)))
        }
        PgValueFormat::Text => Err("times are only read from prepared statements".into()),
    }
}

impl Type<Postgres> for Moment {
    fn type_info() -> PgTypeInfo {
        <OffsetDateTime as Type<Postgres>>::type_info()
    }
}

impl PgHasArrayType for Moment {
    fn array_type_info() -> PgTypeInfo {
        <OffsetDateTime as PgHasArrayType>::array_type_info()
    }
}

impl Encode<'_, Postgres> for Moment {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        encode(self.0, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Moment {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        decode(value).map(Self)
    }
}

impl Type<Postgres> for PlainMoment {
    fn type_info() -> PgTypeInfo {
        <PrimitiveDateTime as Type<Postgres>>::type_info()
    }
}

impl PgHasArrayType for PlainMoment {
    fn array_type_info() -> PgTypeInfo {
        <PrimitiveDateTime as PgHasArrayType>::array_type_info()
    }
}

impl Encode<'_, Postgres> for PlainMoment {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        encode(self.0, buffer)
    }
}

impl<'r> Decode<'r, Postgres> for PlainMoment {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        decode(value).map(Self)
    }
}
