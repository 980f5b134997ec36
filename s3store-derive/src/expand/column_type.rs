//! A type that can be stored in a column.

use proc_macro2::TokenStream;
use syn::Ident;

use super::{nested, newtype, unit_enum};
use crate::attr::ColumnAttrs;
use crate::model::ColumnItem;

/// Returns the implementation of `ColumnType`, and of other traits if the type has a text.
pub(crate) fn column_type(ident: &Ident, item: &ColumnItem<'_>, attrs: &ColumnAttrs) -> TokenStream {
    match item {
        ColumnItem::Nested(fields) => nested::nested(ident, fields),
        ColumnItem::Newtype(field) => newtype::newtype(ident, field),
        ColumnItem::Enum(variants) => {
            let repr = attrs.repr.as_ref().map(|given| &given.value);
            let mut tokens = unit_enum::unit_enum(ident, variants, repr);
            if attrs.serde.is_some() {
                tokens.extend(unit_enum::serde(ident, repr.is_some()));
            }
            tokens
        }
    }
}
