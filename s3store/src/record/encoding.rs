//! Encodings: the ways of storing a type that a field's attributes choose from.

use std::marker::PhantomData;

use arrow_schema::TimeUnit;

/// The encoding of a type's own choice.
#[derive(Debug)]
pub enum Plain {}

/// Date-times and times of day in the unit `U`; `F` says what happens to finer digits.
///
/// `#[record(timestamp = "ms")]` is `Timestamp<Milli>`, `#[record(timestamp = "ms", exact)]` is
/// `Timestamp<Milli, Exact>`.
#[derive(Debug)]
pub struct Timestamp<U, F = Truncate>(PhantomData<(U, F)>);

/// Milliseconds.
#[derive(Debug)]
pub enum Milli {}

/// Microseconds: what is taken where a field says nothing.
#[derive(Debug)]
pub enum Micro {}

/// Nanoseconds. A date-time must lie between the years 1677 and 2262.
#[derive(Debug)]
pub enum Nano {}

/// Digits finer than the unit are cut off, towards the past, as Go does.
#[derive(Debug)]
pub enum Truncate {}

/// A value with digits finer than the unit is refused.
#[derive(Debug)]
pub enum Exact {}

/// A decimal number of `P` digits, of which `S` are decimal places: `#[record(decimal(18, 6))]`.
#[cfg(feature = "decimal")]
#[derive(Debug)]
pub enum DecimalOf<const P: u8, const S: i8> {}

/// Stored as `A` says, an implementation of [`ColumnWith`](super::ColumnWith).
#[derive(Debug)]
pub struct With<A>(PhantomData<A>);

/// What is in an `Option` is stored as `A` says, an implementation of [`ColumnWith`](super::ColumnWith).
#[derive(Debug)]
pub struct WithOption<A>(PhantomData<A>);

/// An encoding that `Option`, `Vec` and maps hand on to what they hold.
pub trait ElementEncoding {}

impl ElementEncoding for Plain {}
impl<U: Unit, F: Precision> ElementEncoding for Timestamp<U, F> {}
#[cfg(feature = "decimal")]
impl<const P: u8, const S: i8> ElementEncoding for DecimalOf<P, S> {}

/// The unit of a timestamp or time of day.
pub trait Unit: sealed::Sealed {
    /// Arrow's name for it.
    #[doc(hidden)]
    const UNIT: TimeUnit;
    /// Nanoseconds in one.
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

/// What happens to digits finer than the unit.
pub trait Precision: sealed::Sealed {
    /// Whether they are refused.
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
