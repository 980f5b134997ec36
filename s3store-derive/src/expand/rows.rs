//! The row of a record or a nested struct, whose fields borrow from columns.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, Index};

use super::decode::{COLUMNS_PER_CLOSURE, MAX_INLINE_COLUMNS};
use super::tokens::{item, local, located};
use crate::model::Field;

/// The column of a field in a batch of rows.
pub(super) struct RowField<'f> {
    field: &'f Field<'f>,
    /// The type of the column.
    held: TokenStream,
    /// An expression that makes a `Result` of the column from `arrays` and `rows`.
    hold: TokenStream,
}

impl<'f> RowField<'f> {
    /// Returns the column of a projection's field.
    pub(super) fn new(field: &'f Field<'f>, held: TokenStream, hold: TokenStream) -> Self {
        Self { field, held, hold }
    }

    /// Returns the column of a field with an encoding. `index` is its position among the arrays.
    pub(super) fn of(field: &'f Field<'f>, encoding: &TokenStream, index: usize) -> Self {
        let hold = item(field, encoding, "hold");
        let hold = emit!(_s3store::hold_column(#hold, arrays, #index, rows));
        Self::new(field, item(field, encoding, "InRows"), hold)
    }
}

/// Returns the structs `row_ident` and `held_ident`, and the implementation of `RowStruct` for `ident`.
pub(super) fn row_struct(ident: &Ident, row_ident: &Ident, held_ident: &Ident, fields: &[RowField<'_>]) -> TokenStream {
    let name = ident.unraw().to_string();
    let idents: Vec<_> = fields.iter().map(|RowField { field, .. }| field.ident).collect();
    let names = idents.iter().map(|ident| ident.unraw().to_string());
    let visibilities = fields.iter().map(|RowField { field, .. }| field.vis);
    let values = fields.iter().map(|RowField { field, held, .. }| {
        quote_spanned!(located(field.ty.span())=> <#held as _s3store::RowColumn>::Value<'row>)
    });
    let held = fields.iter().map(|RowField { held, .. }| held);
    let hold = fields.iter().map(|RowField { hold, .. }| hold);
    let row = row(row_ident, &idents);
    emit! {
        #[doc(hidden)]
        pub struct #row_ident<'row> { #(#visibilities #idents: #values,)* }

        #[automatically_derived]
        impl ::core::clone::Clone for #row_ident<'_> {
            fn clone(&self) -> Self {
                *self
            }
        }

        #[automatically_derived]
        impl ::core::marker::Copy for #row_ident<'_> {}

        #[automatically_derived]
        impl ::core::fmt::Debug for #row_ident<'_> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                use _s3store::{ShownAsHidden as _, ShownAsItIs as _};
                f.debug_struct(#name)#(.field(#names, (&_s3store::Shown(&self.#idents)).shown()))*.finish()
            }
        }

        // A struct instead of a tuple, because its fields may have private types.
        #[doc(hidden)]
        pub struct #held_ident(#(#held),*);

        #[automatically_derived]
        impl _s3store::RowStruct for #ident {
            type Held = #held_ident;
            type Row<'row> = #row_ident<'row>;

            fn hold(
                arrays: &[_s3store::ArrayRef],
                rows: &_s3store::Reachable,
            ) -> ::core::result::Result<#held_ident, _s3store::ValueError> {
                ::core::result::Result::Ok(#held_ident(#(#hold?),*))
            }

            #[inline]
            fn row(
                columns: &#held_ident,
                row: ::core::primitive::usize,
            ) -> ::core::option::Option<#row_ident<'_>> {
                #row
            }
        }
    }
}

/// Returns an expression that makes an `Option` of a row.
fn row(row_ident: &Ident, idents: &[&Ident]) -> TokenStream {
    let value = |index: usize| {
        let index = Index::from(index);
        emit!(_s3store::RowColumn::get(&columns.#index, row)?)
    };
    if idents.len() <= MAX_INLINE_COLUMNS {
        let values = (0..idents.len()).map(value);
        return emit!(::core::option::Option::Some(#row_ident { #(#idents: #values,)* }));
    }
    let locals: Vec<_> = (0..idents.len()).map(|index| local("value", index)).collect();
    let groups = locals.chunks(COLUMNS_PER_CLOSURE).enumerate().map(|(number, locals)| {
        let values = (0..locals.len()).map(|at| value(number * COLUMNS_PER_CLOSURE + at));
        emit! {
            let (#(#locals,)*) = _s3store::outlined(|| ::core::option::Option::Some((#(#values,)*)))?;
        }
    });
    emit! {
        #(#groups)*
        ::core::option::Option::Some(#row_ident { #(#idents: #locals,)* })
    }
}
