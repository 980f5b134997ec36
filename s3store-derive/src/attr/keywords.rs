//! The keys and fixed values of the attributes.

/// The keys of `#[record(…)]` on a struct.
pub(super) const RECORD: &[&str] = &["partition_by", "dedup", "projection_of", "views", "crate"];

/// The keys of `#[view(…)]` on a struct.
pub(super) const VIEW: &[&str] = &["of", "name", "crate"];

/// The keys of `#[view(…)]` on a field.
pub(super) const VIEW_FIELD: &[&str] = &["from", "format", "with", "rename"];

/// The keys of `#[column(…)]` on a struct or an enum.
pub(super) const COLUMN: &[&str] = &["repr", "rename_all", "serde", "crate"];

/// The keys of `#[record(…)]` on a field.
pub(super) const RECORD_FIELD: &[&str] = &[
    "entity",
    "version",
    "inserted_at",
    "deleted",
    "timestamp",
    "exact",
    "truncate",
    "decimal",
    "rename",
    "alias",
    "default",
    "skip",
    "with",
    "bare_list",
    "dictionary",
    "bloom",
];

/// The keys of `#[column(…)]` on a field.
pub(super) const COLUMN_FIELD: &[&str] =
    &["timestamp", "exact", "decimal", "rename", "alias", "default", "skip", "with", "bare_list", "dictionary"];

/// The keys of `#[column(…)]` on an enum's variant.
pub(super) const VARIANT: &[&str] = &["rename", "alias", "other"];

/// The values of `dedup`.
pub(super) const DEDUP: &[&str] = &["per_partition"];

/// The values of `timestamp`.
pub(super) const TIME_UNITS: &[&str] = &["ms", "us", "ns"];

/// The values of `repr`: the integers that an enum can be stored as.
pub(super) const REPRS: &[&str] = &["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"];
