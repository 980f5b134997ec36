//! A projection: some fields of another record, which can only be read.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::Path;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::decode::decode;
use super::rows::{RowField, row_struct};
use super::tokens::{local, located};
use crate::model::Record;
use crate::names::hash;

/// Returns the implementation of `Record` for a projection of `root`.
///
/// It refers to the root's column constants, so the compiler reports fields that do not exist or have another type.
pub(super) fn projection(record: &Record<'_>, root: &Path) -> TokenStream {
    let ident = record.ident;
    let name = ident.unraw().to_string();
    let fields: Vec<_> = record.columns().collect();
    let columns: Vec<_> = fields
        .iter()
        .map(|field| {
            let field = field.ident;
            quote_spanned!(located(field.span())=> <#root as _s3store::Record>::COLUMNS.#field)
        })
        .collect();
    let readers: Vec<_> = (0..columns.len()).map(|index| local("column", index)).collect();
    let open = fields.iter().zip(&readers).zip(&columns).enumerate().map(|(index, ((field, reader), column))| {
        let ty = field.ty;
        let open = quote_spanned!(located(field.ident.span())=> #column.reader_as::<#ty>(columns, #index)?);
        emit!(let #reader = #open;)
    });
    let values = fields.iter().zip(&readers).map(|(field, reader)| (*field, emit!(#reader.read(row)?)));
    let decode = decode(record, &open.collect(), &values.collect::<Vec<_>>());
    let row_fields = fields.iter().zip(&columns).enumerate().map(|(index, (field, column))| {
        let (ty, hash, at) = (field.ty, hash(&field.name), located(field.ty.span()));
        // The projection's columns instead of the record's, so that a record that does not exist is reported only once.
        let form = quote_spanned! {at=>
            <<#ident as _s3store::Record>::Columns as _s3store::FieldForm<#hash>>::Form
        };
        let held = quote_spanned!(at=> <#ty as _s3store::InForm<#form>>::InRows);
        RowField::new(
            field,
            held,
            quote_spanned!(at=> _s3store::Column::hold_as::<#ty>(&#column, arrays, #index, rows)),
        )
    });
    let idents = fields.iter().map(|field| field.ident);
    let rows = row_struct(ident, &record.item_name("Row"), &record.item_name("Held"), &row_fields.collect::<Vec<_>>());
    emit! {
        #rows

        // A program that reads only rows does not read the fields of the struct itself.
        fn fields_are_used(projection: &#ident) {
            let _ = (#(&projection.#idents,)*);
        }

        #[automatically_derived]
        impl _s3store::Record for #ident {
            type Root = #root;
            type Columns = <#root as _s3store::Record>::Columns;
            const COLUMNS: Self::Columns = <#root as _s3store::Record>::COLUMNS;
            type Partitions = <#root as _s3store::Record>::Partitions;

            fn partitions() -> Self::Partitions {
                <#root as _s3store::Record>::partitions()
            }

            fn description() -> &'static _s3store::Description {
                static DESCRIPTION: ::std::sync::OnceLock<_s3store::Description> = ::std::sync::OnceLock::new();
                DESCRIPTION.get_or_init(|| {
                    let root = <#root as _s3store::Record>::description();
                    root.projection(#name, &[#(#columns.name()),*])
                })
            }

            #decode
        }
    }
}
