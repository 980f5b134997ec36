//! A projection: some fields of another record, for reading.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::Path;
use syn::ext::IdentExt;

use super::record::decode_fn;
use super::{local, located};
use crate::model::Record;

/// The implementation of a projection of `root`.
///
/// Its columns are the root's, by the root's own constants: the compiler itself says which are not there, and which
/// have another type.
pub(super) fn items(record: &Record<'_>, root: &Path) -> TokenStream {
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
    let opened = fields.iter().zip(&readers).zip(&columns).enumerate().map(|(index, ((field, reader), column))| {
        let ty = field.ty;
        let column = quote_spanned!(located(field.ident.span())=> &#column);
        emit!(let #reader = _s3store::ColumnReader::<#ty, _>::open(#column, columns, #index)?;)
    });
    let values = fields.iter().zip(&readers).map(|(field, reader)| (*field, emit!(#reader.read(row)?)));
    let decode = decode_fn(record, &opened.collect(), &values.collect::<Vec<_>>());
    emit! {
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
