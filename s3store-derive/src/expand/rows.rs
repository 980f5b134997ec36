//! The row of a record or a nested struct, whose fields borrow from columns.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, Index, Member};

use super::decode::{COLUMNS_PER_CLOSURE, MAX_INLINE_COLUMNS};
use super::tokens::{item, local, located};
use crate::model::Field;

/// The column of a field in a batch of rows.
pub(super) struct RowField<'f> {
    field: &'f Field<'f>,
    /// The place of the field's type. Errors about the field are reported there, in the same words, so that the compiler
    /// prints each only once. All tokens of an expression need it.
    at: Span,
    /// The type of the column.
    held: TokenStream,
    /// An expression that makes a `Result` of the column from `arrays` and `rows`.
    hold: TokenStream,
}

impl<'f> RowField<'f> {
    /// Returns the column of a projection's field.
    pub(super) fn new(field: &'f Field<'f>, held: TokenStream, hold: TokenStream) -> Self {
        Self { field, at: located(field.ty.span()), held, hold }
    }

    /// Returns the column of a field with an encoding. `index` is its position among the arrays.
    pub(super) fn of(field: &'f Field<'f>, encoding: &TokenStream, index: usize) -> Self {
        let hold = item(field, encoding, "hold");
        let hold = quote_spanned!(located(field.ty.span())=> _s3store::hold_column(#hold, arrays, #index, rows));
        Self::new(field, item(field, encoding, "InRows"), hold)
    }

    /// Returns the field's name.
    fn name(&self) -> Ident {
        let mut name = self.field.ident.clone();
        name.set_span(self.at);
        name
    }

    /// Returns the name of the column among the columns, whose position is `index`.
    fn index(&self, index: usize) -> Member {
        let mut index = Index::from(index);
        index.span = self.at;
        Member::Unnamed(index)
    }
}

/// Returns the structs `row_ident` and `held_ident`, and the implementation of `RowStruct` for `ident`.
///
/// Both structs end with a field whose size is known. Otherwise the compiler would report a field of an unknown type once more
/// for each use of the struct.
pub(super) fn row_struct(ident: &Ident, row_ident: &Ident, held_ident: &Ident, fields: &[RowField<'_>]) -> TokenStream {
    let struct_name = ident.unraw().to_string();
    let idents = fields.iter().map(|RowField { field, .. }| field.ident);
    let visibilities = fields.iter().map(|RowField { field, .. }| field.vis);
    let values = fields
        .iter()
        .map(|RowField { at, held, .. }| quote_spanned!(*at=> <#held as _s3store::RowColumn>::Value<'row>));
    let held = fields.iter().map(|RowField { held, .. }| held);
    let hold = fields.iter().enumerate().map(|(index, field)| {
        let (RowField { at, hold, .. }, index) = (field, field.index(index));
        quote_spanned!(*at=> #index: #hold?)
    });
    let hold_end = Index::from(fields.len());
    let copies = fields.iter().map(|field| {
        let name = field.name();
        quote_spanned!(field.at=> #name: self.#name)
    });
    let shown = fields.iter().map(|field| {
        let (name, text) = (field.name(), field.field.ident.unraw().to_string());
        quote_spanned!(field.at=> (#text, (&_s3store::Shown(&self.#name)).shown()))
    });
    let row = row(row_ident, fields);
    emit! {
        #[doc(hidden)]
        pub struct #row_ident<'row> { #(#visibilities #idents: #values,)* __end: () }

        #[automatically_derived]
        impl ::core::clone::Clone for #row_ident<'_> {
            // With `*self`, the compiler would report a field of an unknown type once more.
            fn clone(&self) -> Self {
                Self { #(#copies,)* __end: () }
            }
        }

        #[automatically_derived]
        impl ::core::marker::Copy for #row_ident<'_> {}

        #[automatically_derived]
        impl ::core::fmt::Debug for #row_ident<'_> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                use _s3store::{ShownAsHidden as _, ShownAsItIs as _};
                _s3store::fmt_row(f, #struct_name, &[#(#shown),*])
            }
        }

        // A struct instead of a tuple, because its fields may have private types.
        #[doc(hidden)]
        pub struct #held_ident(#(#held,)* ());

        #[automatically_derived]
        impl _s3store::RowStruct for #ident {
            type Held = #held_ident;
            type Row<'row> = #row_ident<'row>;

            fn hold(
                arrays: &[_s3store::ArrayRef],
                rows: &_s3store::Reachable,
            ) -> ::core::result::Result<#held_ident, _s3store::ValueError> {
                ::core::result::Result::Ok(#held_ident { #(#hold,)* #hold_end: () })
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
fn row(row_ident: &Ident, fields: &[RowField<'_>]) -> TokenStream {
    let names = fields.iter().map(RowField::name);
    let values: Vec<_> = fields
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let index = field.index(index);
            quote_spanned!(field.at=> _s3store::RowColumn::get(&columns.#index, row)?)
        })
        .collect();
    if values.len() <= MAX_INLINE_COLUMNS {
        return emit!(::core::option::Option::Some(#row_ident { #(#names: #values,)* __end: () }));
    }
    let locals: Vec<_> = (0..values.len()).map(|index| local("value", index)).collect();
    let groups = locals.chunks(COLUMNS_PER_CLOSURE).zip(values.chunks(COLUMNS_PER_CLOSURE)).map(|(locals, values)| {
        emit! {
            let (#(#locals,)*) = _s3store::outlined(|| ::core::option::Option::Some((#(#values,)*)))?;
        }
    });
    emit! {
        #(#groups)*
        ::core::option::Option::Some(#row_ident { #(#names: #locals,)* __end: () })
    }
}
