//! Which types can identify an entity, or order its versions.

use super::ColumnType;

/// The stored values have a total order and are never null.
#[derive(Debug)]
pub enum Total {}

/// The stored values may be null, or have no total order.
#[derive(Debug)]
pub enum Unordered {}

/// A type whose values can identify an entity. It has every type that is never null and has a total order: numbers
/// but floats, bool, strings, bytes, dates, times, UUIDs, decimals, unit enums, and your own that are stored as one
/// of these. The order is that of the stored values.
pub trait EntityColumn<E = super::Plain>: ColumnType<E> {}

impl<E, T: ColumnType<E>> EntityColumn<E> for T where T::Order: EntityOrder {}

/// A type whose values can order the versions of an entity: the same as for an entity column.
pub trait VersionColumn<E = super::Plain>: ColumnType<E> {}

impl<E, T: ColumnType<E>> VersionColumn<E> for T where T::Order: VersionOrder {}

/// Holds for [`Total`] alone; carries the message.
#[diagnostic::on_unimplemented(
    message = "an entity column is never null and has a total order: no Option, no float, no list, map or struct",
    label = "can't identify an entity"
)]
pub trait EntityOrder {}

impl EntityOrder for Total {}

/// Holds for [`Total`] alone; carries the message.
#[diagnostic::on_unimplemented(
    message = "a version column is never null and has a total order: no Option, no float, no list, map or struct",
    label = "can't order versions"
)]
pub trait VersionOrder {}

impl VersionOrder for Total {}
