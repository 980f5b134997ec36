#![forbid(unsafe_code)]
#![deny(missing_docs, warnings, clippy::pedantic)]
#![allow(dead_code)]
//! Names of the prelude that mean something else here, in the types of fields not.

/// Not what the prelude has.
pub struct Result;
/// Not what the prelude has.
pub struct Vec;
/// Not what the prelude has.
pub struct Option;
/// Not what the prelude has.
pub struct Box;
/// Not what the prelude has.
pub struct String;
/// Not what the prelude has.
pub trait Default {}
/// Not what the prelude has.
pub trait Clone {}
/// Not what the prelude has.
pub trait Iterator {}
/// Not what the prelude has.
#[allow(non_camel_case_types)]
pub struct usize;
/// Not what the prelude has.
#[allow(non_camel_case_types)]
pub struct bool;
/// Not what the prelude has.
#[allow(non_snake_case)]
pub fn Ok() {}
/// Not what the prelude has.
#[allow(non_snake_case)]
pub fn Some() {}
/// Not what the prelude has.
pub mod std {}
/// Not what the prelude has.
pub mod core {}
/// Not what the macro means.
pub mod s3store {}
/// Not what the macro means.
pub fn columns() {}
/// Not what the macro means.
pub fn row() {}
/// Not what the macro means.
pub fn key() {}
/// Not what the macro means.
pub fn column0() {}
#[allow(unused_macros)]
macro_rules! vec {
    () => {};
}

/// A nested struct.
#[derive(::std::default::Default, ::s3store::ColumnType)]
pub struct Address {
    /// Its street.
    pub street: ::std::string::String,
    /// Its number.
    pub number: ::std::option::Option<u32>,
}

/// An enum.
#[derive(::std::default::Default, ::s3store::ColumnType)]
pub enum Currency {
    /// One.
    #[default]
    Eur,
    /// Another.
    Usd,
}

/// An enum as an integer.
#[derive(::std::default::Default, ::s3store::ColumnType)]
#[column(repr = "u8")]
pub enum State {
    /// One.
    #[default]
    Open = 1,
    /// Another.
    Closed = 2,
}

/// A newtype.
#[derive(::std::default::Default, ::s3store::ColumnType)]
pub struct Sku(pub ::std::string::String);

/// A record with each of them.
#[derive(::s3store::Record)]
#[record(partition_by(day, sku, currency, state), views(ByState, BySku))]
pub struct Cost {
    /// The partition.
    #[record(entity)]
    pub day: ::std::string::String,
    /// A newtype.
    #[record(entity)]
    pub sku: Sku,
    /// An enum.
    #[record(entity)]
    pub currency: Currency,
    /// An enum as an integer.
    #[record(entity)]
    pub state: State,
    /// A nested struct.
    pub address: ::std::option::Option<Address>,
    /// A list.
    #[record(default)]
    pub tags: ::std::vec::Vec<::std::string::String>,
    /// Not stored.
    #[record(skip)]
    pub cache: u64,
    /// The version.
    #[record(version)]
    pub version: u64,
}

/// A view.
#[derive(::s3store::View)]
#[view(of = Cost, name = "by_state")]
pub struct ByState {
    /// An enum as an integer.
    pub state: State,
    /// An enum.
    pub currency: Currency,
    /// A function of fields.
    #[view(with = some(sku, day))]
    pub row: ::std::string::String,
}

/// Another view.
#[derive(::s3store::View)]
#[view(of = Cost, name = "by_sku")]
pub struct BySku {
    /// A newtype.
    pub sku: Sku,
}

fn some(sku: &Sku, day: &str) -> ::std::option::Option<::std::string::String> {
    (!day.is_empty()).then(|| ::std::format!("{} {day}", sku.0))
}

/// Some of its fields.
#[derive(::s3store::Record)]
#[record(projection_of = Cost)]
pub struct Narrow {
    /// The partition.
    pub day: ::std::string::String,
    /// Not stored.
    #[record(skip)]
    pub cache: u64,
}

#[test]
fn names_of_the_prelude_may_mean_something_else() {
    use ::s3store::Record;
    let _ = Cost::partitions().day("2026-03-17").currency(Currency::Eur);
    let _ = <ByState as ::s3store::View>::patterns().state(State::Open).row("a".."b");
    let _ = <BySku as ::s3store::View>::patterns().sku(::s3store::pattern::prefix("a"));
    let _ = Narrow::partitions().day("2026-03-01".."2026-04-01");
}
