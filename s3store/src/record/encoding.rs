//! Encodings: the ways in which a type can be stored. The attributes of a field select one.

use std::marker::PhantomData;

use arrow_schema::TimeUnit;

/// The default encoding of a type.
#[derive(Debug)]
pub enum Plain {}

/// Points in time and times of day, stored in the unit `U`. `F` decides what happens to finer digits.
///
/// `#[record(timestamp = "ms")]` is `Timestamp<Milli>`, `#[record(timestamp = "ms", exact)]` is
/// `Timestamp<Milli, Exact>`.
#[derive(Debug)]
pub struct Timestamp<U, F = Truncate>(PhantomData<(U, F)>);

/// Milliseconds.
#[derive(Debug)]
pub enum Milli {}

/// Microseconds, the default.
#[derive(Debug)]
pub enum Micro {}

/// Nanoseconds. A date-time must lie between the years 1677 and 2262.
#[derive(Debug)]
pub enum Nano {}

/// Digits finer than the unit are dropped, which rounds towards the past, as Go does.
#[derive(Debug)]
pub enum Truncate {}

/// A value with digits finer than the unit is an error.
#[derive(Debug)]
pub enum Exact {}

/// A decimal number of `P` digits, of which `S` are decimal places: `#[record(decimal(18, 6))]`.
#[cfg(feature = "decimal")]
#[derive(Debug)]
pub enum DecimalOf<const P: u8, const S: i8> {}

/// Values are converted by `A`, which implements [`ColumnWith`](super::ColumnWith).
#[derive(Debug)]
pub struct With<A>(PhantomData<A>);

/// The value in an `Option` is converted by `A`, which implements [`ColumnWith`](super::ColumnWith).
#[derive(Debug)]
pub struct WithOption<A>(PhantomData<A>);

/// An encoding that `Option`, `Vec` and maps apply to their elements.
pub trait ElementEncoding {}

impl ElementEncoding for Plain {}
impl<U: Unit, F: Precision> ElementEncoding for Timestamp<U, F> {}
#[cfg(feature = "decimal")]
impl<const P: u8, const S: i8> ElementEncoding for DecimalOf<P, S> {}

/// The unit of a timestamp or time of day.
pub trait Unit: sealed::Sealed {
    /// The unit in Arrow.
    #[doc(hidden)]
    const UNIT: TimeUnit;
    /// The number of nanoseconds in one unit.
    #[doc(hidden)]
    const NANOS: u32;
    /// The unit's name in messages.
    #[doc(hidden)]
    const NAME: &'static str;
}

impl Unit for Milli {
    const UNIT: TimeUnit = TimeUnit::Millisecond;
    const NANOS: u32 = 1_000_000;
    const NAME: &'static str = "milliseconds";
}

impl Unit for Micro {
    const UNIT: TimeUnit = TimeUnit::Microsecond;
    const NANOS: u32 = 1_000;
    const NAME: &'static str = "microseconds";
}

impl Unit for Nano {
    const UNIT: TimeUnit = TimeUnit::Nanosecond;
    const NANOS: u32 = 1;
    const NAME: &'static str = "nanoseconds";
}

/// The treatment of digits finer than the unit: [`Truncate`] or [`Exact`].
pub trait Precision: sealed::Sealed {
    /// If `true`, finer digits are an error.
    #[doc(hidden)]
    const EXACT: bool;
}

impl Precision for Truncate {
    const EXACT: bool = false;
}

impl Precision for Exact {
    const EXACT: bool = true;
}

mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Milli {}
    impl Sealed for super::Micro {}
    impl Sealed for super::Nano {}
    impl Sealed for super::Truncate {}
    impl Sealed for super::Exact {}
}
