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

/// Implements `Record`: the struct becomes a dataset's schema, and its fields become columns.
///
/// A record is a struct with named fields and without generic parameters. Each field has a type that fits a column. The
/// crate's documentation lists these types, and [`ColumnType`](macro@ColumnType) adds your own.
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
/// // The builder of patterns has a method for each part of the partition.
/// let march = Cost::partitions().charge_period("2026-03-01".."2026-04-01").customer("abc");
/// ```
///
/// The macro checks every name at compile time. It reports all mistakes of a struct at once, each at the word that
/// caused it.
///
/// # Attributes of the struct
///
/// ## `partition_by(…)`
///
/// Sets the parts of a record's partition, in the order of the keys: `name=value/name=value`. A record has at least one
/// part. A part is written in one of these forms:
///
/// | form | name of the part | value |
/// |---|---|---|
/// | `field` | the field's name | the field |
/// | `name = field` | `name` | the field |
/// | `"odd-name" = field` | any text without `=`, `/` and `..` | the field |
/// | `name = format(field, "%Y-%m")` | `name` | a date or time in a format of chrono's [`strftime`] |
/// | `name = pad(field, 5)` | `name` | an unsigned integer with leading zeros |
/// | `name = path::to::function(a, b)` | `name` | the function's result; it receives references to these fields |
///
/// A value is a string, an integer, a `bool`, a date, a time, a UUID, a unit enum, or a newtype of one of them. It is
/// never an `Option` or a float. A function returns any of these types. To use a function of your own that is called
/// `format` or `pad`, write its path: `name = self::format(field)`.
///
/// The builder that [`partitions()`] returns has a method for each part, with the part's name. Characters that a method
/// name cannot contain become `_`. A method takes an exact value, `prefix("…")`, or a half-open range. It takes a range
/// only if the text sorts like the values. This holds for strings, dates, UUIDs, padded integers, and formats that
/// go from the year to smaller units without a gap (`%Y-%m`, `%Y%m%dT%H`).
///
/// Values and functions see a field as a read returns it: a time is truncated to its column's unit, a decimal has all the
/// places of its column, and conversions have been applied. A record that was read goes back to its partition.
///
/// A write fails, and sends nothing, if a value is empty, contains `/` or `..`, or is wider than its `pad`.
///
/// ## `dedup = "per_partition"`
///
/// Records are deduplicated within their partition. If the partition depends on a field that is not part of the entity,
/// records of one entity can be in two partitions, and a read returns the latest of each. Such a struct compiles only
/// with this attribute.
///
/// ## `projection_of = Cost`
///
/// Makes the struct a projection of another record: it has some of the record's fields, with the same names and types,
/// and reads only their columns. Partitions, entity, version, encodings, column names, defaults and views are inherited
/// from the record. The only attributes of a projection's fields are `skip` and its `default`.
///
/// A projection is deduplicated even if it leaves out fields of the entity or the version. It cannot be written.
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
/// Lists the types of the materialized views that every writer of this record keeps, see [`View`](macro@View). A write
/// puts the markers of these views together with the records. A view can be declared before or after its record, and in
/// another module. A view of another record does not compile, and neither do two views with the same name.
///
/// ## `crate = path`
///
/// Sets the path of s3store in generated code. It is needed only if s3store is not a dependency of your package but
/// re-exported by another crate. A dependency that is renamed in `Cargo.toml` is found without it.
///
/// # Attributes of a field
///
/// | attribute | meaning |
/// |---|---|
/// | `entity` | Part of the key that identifies an entity. The key consists of all such fields, in the order of the struct. The field is never null and has a total order: no `Option`, float or list. Needs a `version`. |
/// | `version` | Decides which of an entity's records is the latest: the one with the greatest version. One field, never null, with a total order. |
/// | `inserted_at` | The time of the write, as a `DateTime<Utc>` or an `Option` of it. A write ignores the field's value; every record that is read has the time. One field; it can also be the `version`. |
/// | `deleted` | Marks deleted entities: reads of the latest records leave out an entity whose latest record is `true`, or has a value. One field of a record with an entity: a `bool`, or an `Option` of a `DateTime<Utc>`, `NaiveDateTime` or `NaiveDate`. |
/// | `timestamp = "ms"`, `"us"`, `"ns"` | The unit in which a `DateTime<Utc>`, `NaiveDateTime` or `NaiveTime` is stored; the default is microseconds. Writing truncates finer digits. Reading keeps every digit in the file. |
/// | `exact` | Makes digits finer than the unit an error. The default for an entity or version. |
/// | `truncate` | Cuts off digits finer than the unit in an entity or version. |
/// | `decimal(18, 6)` | The precision of a `Decimal`, 1 to 28 digits, and its scale, the digits after the point. Needed for every `Decimal`. A value with more digits is an error; nothing is rounded. |
/// | `rename = "SKU"` | The column's name. The default is the field's name. |
/// | `alias = "item"` | The column's name in older files, read if the column is missing. Can be repeated; the aliases are tried in order. |
/// | `default` | Reads a null or a missing column as the type's `Default`. Without it, both are errors unless the field is an `Option`. |
/// | `default = expression` | Reads a null or a missing column as this value. A string literal is converted: `default = "EUR"`. |
/// | `skip` | Not stored. Read as the `default`, or else as the type's `Default`. |
/// | `bare_list` | Writes a `Vec` as a repeated column without a LIST group, which is the form of a Go slice without the tag `list`. **Go reads any other list as empty, without an error.** Set it on every list that a Go program reads by an untagged slice. The `Vec` and its elements are not `Option`s, and the elements are neither lists nor maps. Reading accepts both forms in any file. |
/// | `dictionary = false` | Writes no dictionary of the column's values. For values that are hardly ever equal, such as random identifiers: a file begins with a dictionary, gives it up when it has grown to 128 KiB, and has none from the second row group on. |
/// | `bloom` | Writes a Bloom filter of the column's values in files of more than 512 rows, so that `read_entity` and filters by `eq` and `is_in` skip files and row groups without the value. For values that are in few files but in no order, such as random identifiers; in an order, the statistics suffice. It takes 10 to 20 bits for each distinct value. On a field marked `entity`, or in a record without an entity; the column has texts, bytes, UUIDs, integers, dates or times. |
/// | `with = path` | Stored by the conversion at `path`, which implements `ColumnWith` for the field's type, or for the type inside its `Option`. |
///
/// If a file lacks a column, the field is read as its `default`, and an `Option` without one as `None`. Any other field is
/// an error that names the file and the column. After renaming a field, add an `alias`. A field that the partition is made
/// from needs a `default` in any case, also an `Option`.
///
/// The attributes of a list apply to its elements, and those of an `Option` to the value inside.
///
/// # Implemented traits
///
/// The macro implements `Record` and, except for projections, `RootRecord`. The column constants, such as
/// `<Cost as Record>::COLUMNS.sku`, have the names of the fields. The struct itself gets no methods, so your own
/// methods can have any name, except that a record with an entity gets the function `entity_of`.
///
/// The macro also generates a struct with the record's fields in borrowed form, for reads with [`rows()`]. Its name is
/// `Row<'_, Cost>`, with the type `s3store::read::Row`.
///
/// [`rows()`]: https://docs.rs/s3store/latest/s3store/read/struct.Read.html#method.rows
/// [`strftime`]: https://docs.rs/chrono/latest/chrono/format/strftime/index.html
/// [`partitions()`]: https://docs.rs/s3store/latest/s3store/trait.Record.html#tymethod.partitions
#[proc_macro_derive(Record, attributes(record))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive::record(&input).into()
}

/// Implements `View`: the struct becomes a materialized view of a record.
///
/// A view has one empty object on S3, a marker, for each distinct tuple of its values. It answers a question such as
/// "which customers used this SKU in this month" with one LIST.
///
/// A view is a struct with named fields and without generic parameters. Its fields are its columns, in the order of the
/// keys. Put the column that you select by most often first.
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
/// // The builder of patterns has a method for each column.
/// let march = SkuPeriod::patterns().sku("SKU-1").charge_period(prefix("2026-03-"));
/// ```
///
/// A view that does not match its record does not compile. Examples are a field that the record does not have or has
/// with another type, an invalid format, and a name that keys cannot contain.
///
/// # Attributes of the struct
///
/// | attribute | meaning |
/// |---|---|
/// | `of = Cost` | The path of the record, which is not a projection. Required. |
/// | `name = "sku_period"` | The view's name in keys: not empty, without `/` and `..`. Required. |
/// | `crate = path` | The path of s3store, as in [`Record`](macro@Record). |
///
/// To have writers keep the view's markers, list it on the record: `#[record(views(SkuPeriod))]`.
///
/// # Attributes of a field
///
/// | attribute | value of the column |
/// |---|---|
/// | none | The record's field of this name, which has the same type. |
/// | `from = customer_id` | The record's field `customer_id`, which has the same type. |
/// | `format = "%Y-%m"` | The record's field, a date or time, in a format of `%Y` `%m` `%d` `%H` `%M` `%S` `%F` `%T` `%%` and other text. Or in `rfc3339`, with whole seconds, or `rfc3339_nanos`, with a fraction of as many digits as needed. |
/// | `with = path::to::function(a, b)` | The result of a function that receives references to these fields of the record. It returns an `Option` of the column's type; if it returns `None`, the record has no marker. It may fail: it then returns a `Result` of the `Option`, with an error that implements `Display`. |
/// | `rename = "charge-period"` | Sets the column's name in keys, without `=` and `/`. The default is the field's name. |
///
/// A value is a string, an integer, a `bool`, a date, a time, a UUID, a unit enum, or a newtype of one of them
/// ([`ViewValue`]). It is never an `Option` or a float. A `DateTime<Utc>` is written in RFC 3339, with a fraction of as
/// many digits as needed.
///
/// A field with a `format` is a `String`, a `DateTime<Utc>`, a `NaiveDateTime` or a `NaiveDate`. A `String` holds the
/// text. In the other types, parts that the format lacks are read as the first day of the year 0, midnight, UTC. For
/// example, `%Y-%m` is read as the first day of the month.
///
/// No value can depend on the insertion time, which a record has only once it is written. A write fails, and sends
/// nothing, if a value is empty or contains `/` or `..`, or if a function fails. The error, `InvalidInput`, names the
/// record's row, the view and the column.
///
/// # Implemented traits
///
/// The macro implements `View`. Its function `patterns()` returns a builder with a method for each column, with the
/// column's name. Characters that a method name cannot contain become `_`. The methods take the same arguments as those
/// of a [record's partitions](macro@Record#partition_by).
///
/// [`ViewValue`]: https://docs.rs/s3store/latest/s3store/column/trait.ViewValue.html
#[proc_macro_derive(View, attributes(view))]
pub fn derive_view(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive::view(&input).into()
}

/// Implements `ColumnType` for a nested struct, a newtype, or an enum, so that it fits a column.
///
/// ```
/// use s3store::{ColumnType, Record};
///
/// /// Stored as the text inside.
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
/// To store a type as another type that it does not wrap, implement `AsColumn` instead.
///
/// # A struct with named fields
///
/// Its fields take the attributes of a record's fields, in `#[column(…)]`: `rename`, `alias`, `default`, `skip`, `with`,
/// `bare_list`, `dictionary = false`, `timestamp`, `exact`, `decimal(18, 6)`. See [`Record`](macro@Record). `rename_all = "camelCase"` on the
/// struct names all fields that have no `rename`. A nested struct cannot be part of a record's entity, version or
/// partition.
///
/// # A struct that wraps one value
///
/// It is stored as the value inside, and can be entity, version or part of a partition if the value can. The field takes
/// `timestamp`, `exact`, `decimal(18, 6)` or `with`. A record's field of this type then has none of these attributes.
///
/// # An enum
///
/// No variant has fields, except one marked `other`. The enum can be part of a partition, and of an entity, where it is
/// ordered by its stored values.
///
/// By default an enum is stored as text. On a variant, `rename = "…"` sets its text, and `alias = "…"` adds a text that
/// older files have for it. On the enum, `rename_all` derives the text of all other variants by a rule: `"lowercase"`,
/// `"UPPERCASE"`, `"camelCase"`, `"PascalCase"`, `"snake_case"`, `"SCREAMING_SNAKE_CASE"` or `"kebab-case"`.
///
/// With `repr = "i32"` on the enum (`i8` to `i64`, `u8` to `u64`), it is stored as an integer. Each variant then has an
/// explicit integer, `Open = 1`, so that a new variant changes no value in existing files.
///
/// `serde` on the enum also implements serde's `Serialize` and `Deserialize`, with the texts or integers of the column, so
/// that they are written once. `alias` and `other` apply there, too. It needs the feature `serde` of s3store.
///
/// Reading a text or an integer that belongs to no variant is an error that names the value and the enum. With
/// `#[column(other)]` on a variant, such values are read as this variant. Use it where newer programs may write values that
/// this one does not know:
///
/// | variant | reading | writing |
/// |---|---|---|
/// | `Other(String)`, with `repr = "i32"` `Other(i32)` | holds the value | Writes the value back. A value that another variant has is written, and read again, as that variant. |
/// | `Other` | loses the value | Fails with an error that names the column and the enum. Nothing is sent. |
///
/// The variant has no `rename`, `alias` or integer. Rust asks for `#[repr(i32)]` on an enum in which one variant has an
/// integer and another one holds a value. Of an entity, two values that are both read as `Other` remain two entities.
///
/// `crate = path` is as in [`Record`](macro@Record).
#[proc_macro_derive(ColumnType, attributes(column))]
pub fn derive_column_type(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    derive::column_type(&input).into()
}
