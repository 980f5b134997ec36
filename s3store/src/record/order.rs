//! The order of a type's stored values: which types can identify an entity, order its versions, or be compared in a filter.

use std::marker::PhantomData;

use super::ColumnType;

/// The order of stored values that are never null and have a total order.
#[derive(Debug)]
pub enum Total {}

/// The order of stored texts, which is total: that of their bytes.
#[derive(Debug)]
pub enum TotalText {}

/// The order of stored floats, which is not total: NaN is neither less than nor equal to another value.
#[derive(Debug)]
pub enum Partial {}

/// The order of stored values that may be null. Those that are not null have the type `V` under the encoding `E`.
#[derive(Debug)]
pub struct Nullable<V, E>(PhantomData<fn() -> (V, E)>);

/// The order of stored values that can't be compared.
#[derive(Debug)]
pub enum Unordered {}

/// A type whose values can identify an entity: one that is never null and has a total order.
///
/// These are integers, `bool`, strings, bytes, dates, times, UUIDs, decimals, enums without fields, and your own types
/// that are stored as one of them. The stored values decide the order.
pub trait EntityColumn<E = super::Plain>: ColumnType<E> {}

impl<E, T: ColumnType<E>> EntityColumn<E> for T where T::Order: EntityOrder {}

/// A type whose values can order the versions of an entity: every type that can identify one.
pub trait VersionColumn<E = super::Plain>: ColumnType<E> {}

impl<E, T: ColumnType<E>> VersionColumn<E> for T where T::Order: VersionOrder {}

/// Implemented only by [`Total`] and [`TotalText`]. Exists for its compiler message.
#[diagnostic::on_unimplemented(
    message = "an entity column is never null and has a total order: no Option, no float, no list, map or struct",
    label = "can't identify an entity"
)]
pub trait EntityOrder {}

impl EntityOrder for Total {}
impl EntityOrder for TotalText {}

/// Implemented only by [`Total`] and [`TotalText`]. Exists for its compiler message.
#[diagnostic::on_unimplemented(
    message = "a version column is never null and has a total order: no Option, no float, no list, map or struct",
    label = "can't order versions"
)]
pub trait VersionOrder {}

impl VersionOrder for Total {}
impl VersionOrder for TotalText {}
