//! The words of the attributes.

/// What a `#[record(…)]` on a struct may say.
pub(crate) const RECORD: &[&str] = &["partition_by", "dedup", "projection_of", "views", "crate"];

/// What a `#[view(…)]` on a struct may say.
pub(crate) const VIEW: &[&str] = &["of", "name", "crate"];

/// What a `#[view(…)]` on a field may say.
pub(crate) const VIEW_FIELD: &[&str] = &["from", "format", "with", "rename"];

/// What a `#[column(…)]` on a struct or an enum may say.
pub(crate) const COLUMN: &[&str] = &["repr", "rename_all", "crate"];

/// What a `#[record(…)]` on a field may say.
pub(crate) const RECORD_FIELD: &[&str] = &[
    "entity",
    "version",
    "inserted_at",
    "timestamp",
    "exact",
    "decimal",
    "rename",
    "alias",
    "default",
    "skip",
    "with",
];

/// What a `#[column(…)]` on a field may say.
pub(crate) const COLUMN_FIELD: &[&str] =
    &["timestamp", "exact", "decimal", "rename", "alias", "default", "skip", "with"];

/// What a `#[column(…)]` on an enum's variant may say.
pub(crate) const VARIANT: &[&str] = &["rename", "alias"];

/// The units of a timestamp.
pub(crate) const UNITS: &[&str] = &["ms", "us", "ns"];

/// The integers that an enum can be stored as.
pub(crate) const REPRS: &[&str] = &["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"];
