#![forbid(unsafe_code)]
#![deny(missing_docs, warnings, clippy::pedantic)]
#![allow(dead_code)]
//! Derives in a module that shadows names of the prelude and of generated code.

/// Shadows a name of the prelude.
pub struct Result;
/// Shadows a name of the prelude.
pub struct Vec;
/// Shadows a name of the prelude.
pub struct Option;
/// Shadows a name of the prelude.
pub struct Box;
/// Shadows a name of the prelude.
pub struct String;
/// Shadows a name of the prelude.
pub trait Default {}
/// Shadows a name of the prelude.
pub trait Clone {}
/// Shadows a name of the prelude.
pub trait Iterator {}
/// Shadows a name of the prelude.
#[allow(non_camel_case_types)]
pub struct usize;
/// Shadows a name of the prelude.
#[allow(non_camel_case_types)]
pub struct bool;
/// Shadows a name of the prelude.
#[allow(non_snake_case)]
pub fn Ok() {}
/// Shadows a name of the prelude.
#[allow(non_snake_case)]
pub fn Some() {}
/// Shadows a name of the prelude.
pub mod std {}
/// Shadows a name of the prelude.
pub mod core {}
/// Shadows a name in generated code.
pub mod s3store {}
/// Shadows a name in generated code.
pub fn columns() {}
/// Shadows a name in generated code.
pub fn row() {}
/// Shadows a name in generated code.
pub fn key() {}
/// Shadows a name in generated code.
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
fn names_of_the_prelude_can_be_shadowed() {
    use ::s3store::Record;
    let _ = Cost::partitions().day("2026-03-17").currency(Currency::Eur);
    let _ = <ByState as ::s3store::View>::patterns().state(State::Open).row("a".."b");
    let _ = <BySku as ::s3store::View>::patterns().sku(::s3store::pattern::prefix("a"));
    let _ = Narrow::partitions().day("2026-03-01".."2026-04-01");
}
