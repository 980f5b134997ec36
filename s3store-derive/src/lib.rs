//! The derive macros of s3store.

mod attr;
mod check;
mod ctxt;
mod expand;
mod fallback;
mod krate;
mod model;
mod symbol;
mod types;
mod words;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Record.
#[proc_macro_derive(Record, attributes(record))]
pub fn derive_record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::record(&input).into()
}

/// ColumnType.
#[proc_macro_derive(ColumnType, attributes(column))]
pub fn derive_column_type(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::column_type(&input).into()
}
