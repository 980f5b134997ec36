//! Checks of an input's shape.

use quote::ToTokens;
use syn::{Data, DeriveInput, Fields, FieldsNamed};

use crate::ctxt::Ctxt;

/// Reports generic parameters and `where` clauses. `what` is the noun for the input: `a record`.
pub(crate) fn no_generics(cx: &Ctxt, input: &DeriveInput, what: &str) {
    if !input.generics.params.is_empty() {
        cx.error(&input.generics.params, format!("{what} cannot have generic parameters"));
    } else if let Some(clause) = &input.generics.where_clause {
        cx.error(clause, format!("{what} cannot have a `where` clause"));
    }
}

/// Returns the named fields of a struct. Reports an error and returns `None` for any other input.
pub(super) fn named_fields<'a>(cx: &Ctxt, input: &'a DeriveInput, what: &str) -> Option<&'a FieldsNamed> {
    let (token, actual) = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => return Some(fields),
            Fields::Unnamed(fields) => (fields.to_token_stream(), "a tuple struct"),
            Fields::Unit => (input.ident.to_token_stream(), "a unit struct"),
        },
        Data::Enum(data) => {
            let actual = "an enum; to use the enum as a column, derive `s3store::ColumnType`";
            (data.enum_token.to_token_stream(), actual)
        }
        Data::Union(data) => (data.union_token.to_token_stream(), "a union"),
    };
    cx.error(token, format!("{what} must be a struct with named fields, not {actual}"));
    None
}
