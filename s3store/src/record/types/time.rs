//! Points in time, times of day, and dates.

use std::sync::Arc;

use arrow_array::types::{
    Date32Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

use super::items::fixed_width;
use super::number::{FixedWidthBuilder, FixedWidthReader};
use super::{AsList, mismatch, typed};
use crate::record::{
    ColumnNode, ColumnType, ElementEncoding, KeyPart, Micro, Plain, Precision, Reachable, RowError, Shape, Timestamp,
    Total, Unit, ValueError, ValueRows,
};

/// An encoding that has a unit in which times are stored.
pub trait TimeEncoding {
    /// The unit of the column.
    type Unit: Unit;
    /// If `true`, a value with digits finer than the unit is an error; otherwise it is truncated.
    const EXACT: bool;
}

impl TimeEncoding for Plain {
    type Unit = Micro;
    const EXACT: bool = false;
}

impl<U: Unit, F: Precision> TimeEncoding for Timestamp<U, F> {
    type Unit = U;
    const EXACT: bool = F::EXACT;
}

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// Converts a point in time to a count of units, which is what the column stores.
#[inline]
fn count<E: TimeEncoding>(seconds: i64, nanos: u32) -> Result<i64, ValueError> {
    if nanos >= NANOS_PER_SECOND {
        return Err(ValueError::new("a leap second does not fit a column of times"));
    }
    if E::EXACT && !nanos.is_multiple_of(E::Unit::NANOS) {
        return Err(finer::<E::Unit>());
    }
    let per_second = NANOS_PER_SECOND / E::Unit::NANOS;
    let count = i128::from(seconds) * i128::from(per_second) + i128::from(nanos / E::Unit::NANOS);
    i64::try_from(count).map_err(|_| out_of_range::<E::Unit>())
}

#[cold]
fn finer<U: Unit>() -> ValueError {
    ValueError::new(format_args!(
        "has digits finer than {}, the column's unit, and the field is exact, as times in an entity or version are: declare a \
         finer unit, such as `timestamp = \"ns\"`, or let them be cut off (`truncate` for an entity or version)",
        U::NAME
    ))
}

#[cold]
fn out_of_range<U: Unit>() -> ValueError {
    ValueError::new(format_args!("lies beyond what {} since 1970 can hold", U::NAME))
}

/// Reads times that are stored as counts of any unit.
#[derive(Debug)]
pub struct TimeReader {
    values: FixedWidthReader<i64>,
    unit: TimeUnit,
}

impl TimeReader {
    /// Reads timestamps. With `zoned` they must be points in time (in UTC), otherwise local times without a zone.
    fn of_timestamps(array: &ArrayRef, zoned: bool) -> Result<Self, ValueError> {
        let expected = if zoned { "a timestamp in UTC" } else { "a timestamp without a zone" };
        let unit = match array.data_type() {
            DataType::Timestamp(unit, zone) if zone.is_some() == zoned => *unit,
            _ => return Err(mismatch(array, &expected)),
        };
        let data_type = array.data_type();
        let values = match unit {
            TimeUnit::Second => {
                typed::<PrimitiveArray<TimestampSecondType>>(array, data_type).map(FixedWidthReader::new)
            }
            TimeUnit::Millisecond => {
                typed::<PrimitiveArray<TimestampMillisecondType>>(array, data_type).map(FixedWidthReader::new)
            }
            TimeUnit::Microsecond => {
                typed::<PrimitiveArray<TimestampMicrosecondType>>(array, data_type).map(FixedWidthReader::new)
            }
            TimeUnit::Nanosecond => {
                typed::<PrimitiveArray<TimestampNanosecondType>>(array, data_type).map(FixedWidthReader::new)
            }
        }?;
        Ok(Self { values, unit })
    }

    /// Reads times of day.
    fn of_times(array: &ArrayRef) -> Result<Self, ValueError> {
        let data_type = array.data_type();
        let (values, unit) = match data_type {
            DataType::Time32(TimeUnit::Second) => (
                typed::<PrimitiveArray<Time32SecondType>>(array, data_type).map(FixedWidthReader::widened),
                TimeUnit::Second,
            ),
            DataType::Time32(unit) => {
                (typed::<PrimitiveArray<Time32MillisecondType>>(array, data_type).map(FixedWidthReader::widened), *unit)
            }
            DataType::Time64(TimeUnit::Nanosecond) => (
                typed::<PrimitiveArray<Time64NanosecondType>>(array, data_type).map(FixedWidthReader::new),
                TimeUnit::Nanosecond,
            ),
            DataType::Time64(unit) => {
                (typed::<PrimitiveArray<Time64MicrosecondType>>(array, data_type).map(FixedWidthReader::new), *unit)
            }
            _ => return Err(mismatch(array, &"a time of day")),
        };
        Ok(Self { values: values?, unit })
    }

    #[inline]
    fn is_null(&self, row: usize) -> bool {
        self.values.is_null(row)
    }

    /// Returns the seconds, and the nanoseconds within the second.
    #[inline]
    fn parts(&self, row: usize) -> Result<(i64, u32), ValueError> {
        let count = self.values.value(row)?;
        // Dividing by constants is several times as fast as dividing by a field.
        let (seconds, part, nanos) = match self.unit {
            TimeUnit::Second => (count, 0, 0),
            TimeUnit::Millisecond => (count.div_euclid(1_000), count.rem_euclid(1_000), 1_000_000),
            TimeUnit::Microsecond => (count.div_euclid(1_000_000), count.rem_euclid(1_000_000), 1_000),
            TimeUnit::Nanosecond => (count.div_euclid(1_000_000_000), count.rem_euclid(1_000_000_000), 1),
        };
        // The remainder is less than a second, so the product fits.
        Ok((seconds, part as u32 * nanos))
    }

    #[inline]
    fn instant(&self, row: usize) -> Result<DateTime<Utc>, ValueError> {
        let (seconds, nanos) = self.parts(row)?;
        DateTime::from_timestamp(seconds, nanos)
            .ok_or_else(|| ValueError::new(format_args!("{seconds} seconds since 1970 lie beyond what a date can say")))
    }

    #[inline]
    fn time_of_day(&self, row: usize) -> Result<NaiveTime, ValueError> {
        let (seconds, nanos) = self.parts(row)?;
        u32::try_from(seconds)
            .ok()
            .and_then(|seconds| NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos))
            .ok_or_else(|| ValueError::new(format_args!("{seconds} seconds since midnight are not a time of day")))
    }
}

fn finish_timestamps(
    values: FixedWidthBuilder<i64>,
    unit: TimeUnit,
    zone: Option<&str>,
) -> Result<ArrayRef, ValueError> {
    let data_type = DataType::Timestamp(unit, zone.map(Arc::from));
    match unit {
        TimeUnit::Second => values.finish::<TimestampSecondType>(&data_type),
        TimeUnit::Millisecond => values.finish::<TimestampMillisecondType>(&data_type),
        TimeUnit::Microsecond => values.finish::<TimestampMicrosecondType>(&data_type),
        TimeUnit::Nanosecond => values.finish::<TimestampNanosecondType>(&data_type),
    }
}

fn time_type(unit: TimeUnit) -> DataType {
    match unit {
        TimeUnit::Second | TimeUnit::Millisecond => DataType::Time32(unit),
        TimeUnit::Microsecond | TimeUnit::Nanosecond => DataType::Time64(unit),
    }
}

fn finish_times(values: FixedWidthBuilder<i64>, unit: TimeUnit) -> Result<ArrayRef, ValueError> {
    let data_type = time_type(unit);
    match unit {
        TimeUnit::Second => values.narrowed()?.finish::<Time32SecondType>(&data_type),
        TimeUnit::Millisecond => values.narrowed()?.finish::<Time32MillisecondType>(&data_type),
        TimeUnit::Microsecond => values.finish::<Time64MicrosecondType>(&data_type),
        TimeUnit::Nanosecond => values.finish::<Time64NanosecondType>(&data_type),
    }
}

const UTC: &str = "UTC";

macro_rules! times {
    (
        $time:ty,
        shape: $shape:expr,
        push: $push:expr,
        finish: $finish:expr,
        reader: $reader:expr,
        get: $get:expr,
    ) => {
        impl<E: TimeEncoding> ColumnType<E> for $time {
            fixed_width!(FixedWidthBuilder<i64>, TimeReader);

            type InVec = AsList<E>;
            type InRows = ValueRows<Self>;
            type Order = Total;

            fn shape() -> Shape {
                let shape: fn(TimeUnit) -> DataType = $shape;
                Shape::Leaf(shape(E::Unit::UNIT))
            }

            #[inline]
            fn push(value: &Self, builder: &mut FixedWidthBuilder<i64>) -> Result<(), ValueError> {
                let parts: fn(&Self) -> (i64, u32) = $push;
                let (seconds, nanos) = parts(value);
                builder.push(count::<E>(seconds, nanos)?);
                Ok(())
            }

            const LOSSY: bool = E::Unit::NANOS > 1;

            fn stored(value: &Self) -> Result<Option<Self>, ValueError> {
                let parts: fn(&Self) -> (i64, u32) = $push;
                let (seconds, nanos) = parts(value);
                count::<E>(seconds, nanos)?;
                let beyond = nanos % E::Unit::NANOS;
                Ok((beyond > 0).then(|| *value - TimeDelta::nanoseconds(beyond.into())))
            }

            fn key_part(value: &Self) -> Result<KeyPart, ValueError> {
                let parts: fn(&Self) -> (i64, u32) = $push;
                let (seconds, nanos) = parts(value);
                Ok(KeyPart::of_time(seconds, nanos))
            }

            fn finish(builder: FixedWidthBuilder<i64>) -> Result<ArrayRef, ValueError> {
                let finish: fn(FixedWidthBuilder<i64>, TimeUnit) -> Result<ArrayRef, ValueError> = $finish;
                finish(builder, E::Unit::UNIT)
            }

            fn reader(array: &ArrayRef) -> Result<TimeReader, ValueError> {
                $reader(array)
            }

            #[inline]
            fn get(reader: &TimeReader, row: usize) -> Result<Self, ValueError> {
                $get(reader, row)
            }

            fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
                ValueRows::hold::<E>(array, rows)
            }
        }
    };
}

times! {
    DateTime<Utc>,
    shape: |unit| DataType::Timestamp(unit, Some(Arc::from(UTC))),
    push: |time| (time.timestamp(), time.timestamp_subsec_nanos()),
    finish: |values, unit| finish_timestamps(values, unit, Some(UTC)),
    reader: |array| TimeReader::of_timestamps(array, true),
    get: TimeReader::instant,
}

times! {
    NaiveDateTime,
    shape: |unit| DataType::Timestamp(unit, None),
    push: |time| (time.and_utc().timestamp(), time.and_utc().timestamp_subsec_nanos()),
    finish: |values, unit| finish_timestamps(values, unit, None),
    reader: |array| TimeReader::of_timestamps(array, false),
    get: |reader: &TimeReader, row| reader.instant(row).map(|instant| instant.naive_utc()),
}

times! {
    NaiveTime,
    shape: time_type,
    push: |time| (i64::from(time.num_seconds_from_midnight()), time.nanosecond()),
    finish: finish_times,
    reader: TimeReader::of_times,
    get: TimeReader::time_of_day,
}

/// The number of 1970-01-01, counted in days from the first day of year 1.
const EPOCH: i32 = 719_163;

impl ColumnType<Plain> for NaiveDate {
    fixed_width!(FixedWidthBuilder<i32>, FixedWidthReader<i32>);

    type InVec = AsList;
    type InRows = ValueRows<Self>;
    type Order = Total;

    fn shape() -> Shape {
        Shape::Leaf(DataType::Date32)
    }

    #[inline]
    fn push(value: &Self, builder: &mut FixedWidthBuilder<i32>) -> Result<(), ValueError> {
        // Does not overflow: a `NaiveDate` is within 262,143 years of year 1.
        builder.push(value.num_days_from_ce() - EPOCH);
        Ok(())
    }

    fn finish(builder: FixedWidthBuilder<i32>) -> Result<ArrayRef, ValueError> {
        builder.finish::<Date32Type>(&DataType::Date32)
    }

    fn reader(array: &ArrayRef) -> Result<FixedWidthReader<i32>, ValueError> {
        typed::<PrimitiveArray<Date32Type>>(array, &DataType::Date32).map(FixedWidthReader::new)
    }

    #[inline]
    fn get(reader: &FixedWidthReader<i32>, row: usize) -> Result<Self, ValueError> {
        let days = reader.value(row)?;
        days.checked_add(EPOCH)
            .and_then(Self::from_num_days_from_ce_opt)
            .ok_or_else(|| ValueError::new(format_args!("{days} days since 1970 lie beyond what a date can say")))
    }

    fn hold(array: &ArrayRef, rows: &Reachable) -> Result<Self::InRows, ValueError> {
        ValueRows::hold::<Plain>(array, rows)
    }
}

/// A type for the field marked `inserted_at`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't hold the insertion time",
    label = "neither DateTime<Utc> nor Option<DateTime<Utc>>",
    note = "the insertion time is a `DateTime<Utc>`, or an `Option` of it for records that were not read"
)]
pub trait InsertionTime<E = Plain>: ColumnType<E> {
    /// Builds the column `name`, which has the time `micros` (since 1970) in each of `rows` rows.
    ///
    /// # Errors
    /// The time is out of range for the column's unit.
    fn constant(micros: i64, rows: usize, name: &str) -> Result<ArrayRef, RowError>;

    /// Returns the time as a part of a key.
    ///
    /// # Errors
    /// There is none: the record was not read.
    fn read_key_part(value: &Self) -> Result<KeyPart, ValueError>;

    /// Marks the column as not nullable, which a version must be. Every write sets it, so files contain no nulls.
    #[must_use]
    fn never_null(node: ColumnNode) -> ColumnNode {
        // The default of an `Option` would be a null.
        let default = if node.nullable { None } else { node.default };
        ColumnNode { nullable: false, default, ..node }
    }
}

impl<E: TimeEncoding> InsertionTime<E> for DateTime<Utc> {
    fn constant(micros: i64, rows: usize, name: &str) -> Result<ArrayRef, RowError> {
        let instant = Self::from_timestamp_micros(micros).ok_or_else(out_of_range::<Micro>);
        instant
            .and_then(|instant| count::<E>(instant.timestamp(), instant.timestamp_subsec_nanos()))
            .and_then(|count| finish_timestamps(FixedWidthBuilder::repeated(count, rows), E::Unit::UNIT, Some(UTC)))
            .map_err(|error| error.in_column(name).at_row(0))
    }

    fn read_key_part(value: &Self) -> Result<KeyPart, ValueError> {
        <Self as ColumnType<E>>::key_part(value)
    }
}

impl<E: TimeEncoding + ElementEncoding> InsertionTime<E> for Option<DateTime<Utc>> {
    fn constant(micros: i64, rows: usize, name: &str) -> Result<ArrayRef, RowError> {
        <DateTime<Utc> as InsertionTime<E>>::constant(micros, rows, name)
    }

    fn read_key_part(value: &Self) -> Result<KeyPart, ValueError> {
        let none = || ValueError::new("the version is the insertion time, which only records that were read have");
        <DateTime<Utc> as ColumnType<E>>::key_part(value.as_ref().ok_or_else(none)?)
    }
}
