//! The derive macros of s3store. Use them through that crate, which re-exports them.

/// Like `quote!`, but local variables in the tokens cannot clash with names of the user.
macro_rules! emit {
    ($($tokens:tt)*) => { ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*) };
}

mod attr;
mod check;
mod ctxt;
mod derive;
mod encoding;
mod expand;
mod fallback;
mod krate;
mod model;
mod names;
mod strftime;
mod types;
mod words;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct a dataset's schema: its fields are the columns.
///
/// A record is a struct with named fields and without generics. Each field has a type that fits a column (see the
/// crate's documentation for the list, and [`ColumnType`](macro@ColumnType) for types of your own).
///
/// ```
/// use s3store::Record;
/// use s3store::chrono::{DateTime, Utc};
/// use s3store::rust_decimal::Decimal;
///
/// #[derive(Debug, Clone, PartialEq, Record)]
/// #[record(partition_by(charge_period, customer = customer_id))]
/// struct Cost {
///     #[record(entity)]
///     charge_period: String,
///     #[record(entity)]
///     customer_id: String,
///     #[record(entity)]
///     sku: String,
///     #[record(decimal(18, 6))]
///     net_cost: Decimal,
///     currency: Option<String>,
///     #[record(version, timestamp = "ms")]
///     calculated_at: DateTime<Utc>,
///     #[record(inserted_at)]
///     inserted_at: Option<DateTime<Utc>>,
/// }
///
/// // A builder of patterns, with a method for each part of the partition.
/// let march = Cost::partitions().charge_period("2026-03-01".."2026-04-01").customer("abc");
/// ```
///
/// Every name is checked while the code compiles, all mistakes of a struct are reported at once, and each stands at
/// the word that caused it.
///
/// # On the struct
///
/// ## `partition_by(…)`
///
/// What a record's partition is made of, in the order in which the parts stand in keys: `name=value/name=value`. A
/// record has at least one part. Each is one of
///
/// | written | the part's name | its value |
/// |---|---|---|
/// | `field` | the field's name | the field |
/// | `name = field` | `name` | the field |
/// | `"odd-name" = field` | any text without `=`, `/` and `..` | the field |
/// | `name = format(field, "%Y-%m")` | `name` | a date or time in a format of chrono's [`strftime`] |
/// | `name = pad(field, 5)` | `name` | an integer without a sign, with leading zeros |
/// | `name = path::to::function(a, b)` | `name` | what the function makes of references to these fields |
///
/// A value that stands by itself is a string, an integer, `bool`, a date, a time, a UUID, a unit enum, or a newtype of
/// one of them, never an `Option` and never a float; a function returns any of these. A function of your own that is
/// called `format` or `pad` is reached by a path: `name = self::format(field)`.
///
/// The builder of [`partitions()`] has a method for each part, named like it; characters that no method can have become
/// `_`. It takes an exact value, `prefix("…")`, or, where the text keeps the order of the values, a half-open range:
/// strings, dates, UUIDs, padded integers, and formats that go from the year down without a gap (`%Y-%m`, `%Y%m%dT%H`).
///
/// A value that holds `/` or `..`, is empty, or is wider than its `pad`, is an error of the write, and nothing of that
/// write is sent.
///
/// ## `dedup = "per_partition"`
///
/// Records are deduplicated within their partition. If a field decides the partition without being part of the entity,
/// records of one entity can lie in two partitions, and the latest of each surfaces. That does not compile, unless the
/// struct says by this that it is meant.
///
/// ## `projection_of = Cost`
///
/// Makes the struct a narrow read of another record: it takes some of its fields, by name and with their types, and
/// reads only their columns. Partitions, entity, version, encodings, column names and defaults are those of the record,
/// so a projection's fields say nothing but `skip`, and it has no `views`. It deduplicates also when it leaves the key's fields out, and can't
/// be written.
///
/// ```
/// # use s3store::Record;
/// # #[derive(Record)]
/// # #[record(partition_by(day))]
/// # struct Cost { #[record(entity)] day: String, #[record(version)] version: u64, sku: String }
/// #[derive(Record)]
/// #[record(projection_of = Cost)]
/// struct Sku {
///     sku: String,
/// }
/// ```
///
/// ## `views(SkuPeriod, other::View)`
///
/// The materialized views that every writer of this record keeps, by their types, see [`View`](macro@View): together
/// with a record a write puts its markers. A view may stand before or after its record, and in another module. One of
/// another record does not compile, nor do two of one name.
///
/// ## `crate = path`
///
/// Where generated code finds s3store, if it is no dependency of yours but another crate hands it on. A dependency that
/// is renamed in `Cargo.toml` is found without it.
///
/// # On a field
///
/// | attribute | meaning |
/// |---|---|
/// | `entity` | Part of what identifies an entity. All such fields together do, in the order of the struct. Never null, with a total order: no `Option`, no float, no list. Needs a `version`. |
/// | `version` | Says which of an entity's records is the latest: the greatest. One field, never null, with a total order. |
/// | `inserted_at` | The time of the write: a `DateTime<Utc>` or an `Option` of it. What is in it is ignored on write, and every written record has it when it is read. One field; it may be the version too. |
/// | `timestamp = "ms"`, `"us"`, `"ns"` | The unit in which a `DateTime<Utc>`, `NaiveDateTime` or `NaiveTime` is stored; microseconds without it. Finer digits are cut off. Reading keeps every digit that the file has. |
/// | `exact` | Finer digits than the unit's are an error instead. |
/// | `decimal(18, 6)` | How many digits a `Decimal` has in all, 1 to 28, and how many of them are after the point. Needed for every `Decimal`. A value with more digits is an error, nothing is rounded. |
/// | `rename = "SKU"` | The column's name; without it, the field's. |
/// | `alias = "item"` | A name that the column has in older files: read where the column itself is missing. Can be repeated, and is tried in order. |
/// | `default` | A null in a file becomes the type's `Default`; without it, a null in a field that is no `Option` is an error. |
/// | `default = expression` | The same with a value of your own. Text becomes a `String` by itself: `default = "EUR"`. |
/// | `skip` | Not stored. Read as the `default`, or else as the type's `Default`. |
/// | `with = path` | Stored as the type at `path` says, which implements `ColumnWith` for the field's type, or for what is in its `Option`. |
///
/// A file that lacks a column yields the field's `default`, or else its type's `Default`. A type that has neither does
/// not compile: `#[record(default = …)]` says what older files mean.
///
/// The attributes of a list apply to its elements, those of an `Option` to what is in it.
///
/// # What it implements
///
/// `Record`, and for all but projections `RootRecord`. The column constants, `<Cost as Record>::COLUMNS.sku`, are
/// named like the fields. Nothing is added to the struct itself, so its own methods may have any name.
///
/// [`strftime`]: https://docs.rs/chrono/latest/chrono/format/strftime/index.html
/// [`partitions()`]: https://docs.rs/s3store/latest/s3store/trait.Record.html#tymethod.partitions
#[proc_macro_derive(Record, attributes(record))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive::record(&input).into()
}

/// Makes a struct a materialized view of a record: one empty object on S3 for each distinct tuple of its values.
///
/// "Which customers used this SKU in this month" is then one LIST. A view is a struct with named fields and without
/// generics; its fields are its columns, in the order in which they stand in keys, so what is selected by most comes
/// first.
///
/// ```
/// use s3store::chrono::{DateTime, Utc};
/// use s3store::rust_decimal::Decimal;
/// use s3store::pattern::prefix;
/// use s3store::{Record, View};
///
/// #[derive(Debug, Clone, PartialEq, Record)]
/// #[record(partition_by(charge_period, customer = customer_id), views(SkuPeriod))]
/// struct Cost {
///     #[record(entity)]
///     charge_period: String,
///     #[record(entity)]
///     customer_id: String,
///     #[record(entity)]
///     sku: String,
///     #[record(decimal(18, 6))]
///     net_cost: Decimal,
///     #[record(version, timestamp = "ms")]
///     calculated_at: DateTime<Utc>,
/// }
///
/// #[derive(Debug, Clone, PartialEq, Eq, Hash, View)]
/// #[view(of = Cost, name = "sku_period")]
/// struct SkuPeriod {
///     sku: String,
///     charge_period: String,
///     #[view(from = customer_id)]
///     customer: String,
///     #[view(from = calculated_at, format = "%Y-%m")]
///     month: String,
///     #[view(with = size_of_cost(net_cost))]
///     size: String,
/// }
///
/// /// Small costs have no marker.
/// fn size_of_cost(cost: &Decimal) -> Option<String> {
///     (*cost >= Decimal::TEN).then(|| if *cost < Decimal::ONE_HUNDRED { "medium" } else { "large" }.to_owned())
/// }
///
/// // A builder of patterns, with a method for each column.
/// let march = SkuPeriod::patterns().sku("SKU-1").charge_period(prefix("2026-03-"));
/// ```
///
/// Where a view and its record disagree, the code does not compile: a field that the record has not, or has with
/// another type; a format that does not parse; a name that no key can hold.
///
/// # On the struct
///
/// | attribute | meaning |
/// |---|---|
/// | `of = Cost` | The record, by its path. Needed. A view is made of a record, not of a projection. |
/// | `name = "sku_period"` | The view's name, as it stands in keys: not empty, without `/` and `..`. Needed. |
/// | `crate = path` | That of [`Record`](macro@Record). |
///
/// Writers keep the markers of the views that their record names, `#[record(views(SkuPeriod))]`.
///
/// # On a field
///
/// | attribute | the value |
/// |---|---|
/// | none | The record's field of this name, with the same type. |
/// | `from = customer_id` | The record's field `customer_id`, with the same type. |
/// | `format = "%Y-%m"` | The record's field, a date or time, in a format of `%Y` `%m` `%d` `%H` `%M` `%S` `%F` `%T` `%%` and other text; or in `rfc3339`, whole seconds, or `rfc3339_nanos`, with a fraction of as many digits as it needs. |
/// | `with = path::to::function(a, b)` | What the function makes of references to these fields of the record: an `Option` of the field's type. Where it is `None`, the record has no marker. |
/// | `rename = "charge-period"` | The column's name in keys, without `=` and `/`; without it, the field's. |
///
/// A value that stands by itself is a string, an integer, `bool`, a date, a time, a UUID, a unit enum, or a newtype of
/// one of them ([`ViewValue`]), never an `Option` and never a float. A `DateTime<Utc>` is RFC 3339 with a fraction of as
/// many digits as it needs.
///
/// A field with a `format` is a `String`, the text as it is, or a `DateTime<Utc>`, `NaiveDateTime` or `NaiveDate`, in
/// which parts that the format lacks are those of the first day of the year 0, midnight, UTC: `%Y-%m` is read as the
/// first of the month.
///
/// No value is made of the insertion time, which a record has not before it is written. A value that is empty or holds
/// `/` or `..` is an error of the write, and nothing of that write is sent.
///
/// # What it implements
///
/// `View`, whose `patterns()` is a builder with a method for each column, named like it; characters that no method can
/// have become `_`. Its methods take what those of a [record's partitions](macro@Record#partition_by) take.
///
/// [`ViewValue`]: https://docs.rs/s3store/latest/s3store/column/trait.ViewValue.html
#[proc_macro_derive(View, attributes(view))]
pub fn derive_view(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive::view(&input).into()
}

/// Makes a struct or an enum fit a column: a nested struct, a newtype, or an enum without fields.
///
/// ```
/// use s3store::{ColumnType, Record};
///
/// /// Stored as the text that it wraps.
/// #[derive(Debug, Clone, PartialEq, Default, ColumnType)]
/// struct Sku(String);
///
/// /// Stored as text: `EUR`, `USD`.
/// #[derive(Debug, Clone, PartialEq, Default, ColumnType)]
/// #[column(rename_all = "UPPERCASE")]
/// enum Currency {
///     #[default]
///     Eur,
///     #[column(alias = "dollar")]
///     Usd,
/// }
///
/// /// Stored as an integer.
/// #[derive(Debug, Clone, PartialEq, Default, ColumnType)]
/// #[column(repr = "i32")]
/// enum State {
///     #[default]
///     Open = 1,
///     Closed = 2,
/// }
///
/// /// Stored as a group of columns: `address.street`, `address.zip`.
/// #[derive(Debug, Clone, PartialEq, Default, ColumnType)]
/// struct Address {
///     street: String,
///     #[column(alias = "postcode")]
///     zip: Option<String>,
/// }
///
/// #[derive(Debug, Clone, PartialEq, Record)]
/// #[record(partition_by(sku))]
/// struct Order {
///     sku: Sku,
///     currency: Currency,
///     state: State,
///     address: Option<Address>,
/// }
/// ```
///
/// A type that is stored as another one, but is no newtype of it, implements `AsColumn` instead.
///
/// # A struct with named fields
///
/// Its fields say what a record's fields say, in `#[column(…)]`: `rename`, `alias`, `default`, `skip`, `with`,
/// `timestamp`, `exact`, `decimal(18, 6)`. See [`Record`](macro@Record). `rename_all = "camelCase"` on the struct names
/// all fields that have no `rename`. A struct can be no part of a record's entity, version or partition.
///
/// # A struct that wraps one value
///
/// It is stored as what it wraps, and can be entity, version or part of a partition if that can. The field may say
/// `timestamp`, `exact`, `decimal(18, 6)` or `with`; the fields of records of this type then say none of it.
///
/// # An enum
///
/// No variant has fields. It can be part of an entity (ordered as what is stored) and of a partition.
///
/// As text, by default: `rename = "…"` on a variant is its text, and `alias = "…"` a text that older files have for
/// it; `rename_all` on the enum names all others by a rule: `"lowercase"`, `"UPPERCASE"`, `"camelCase"`,
/// `"PascalCase"`, `"snake_case"`, `"SCREAMING_SNAKE_CASE"`, `"kebab-case"`.
///
/// As an integer, by `repr = "i32"` on the enum (`i8` to `i64`, `u8` to `u64`): each variant then writes its own,
/// `Open = 1`, so that a variant more changes no value in a file.
///
/// A text or an integer in a file that no variant has is an error that names both.
///
/// `crate = path` is that of [`Record`](macro@Record).
#[proc_macro_derive(ColumnType, attributes(column))]
pub fn derive_column_type(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive::column_type(&input).into()
}
