//! The function `decode`, which reads rows from columns.

use proc_macro2::TokenStream;

use super::tokens::{default, local};
use crate::model::{Field, Record};

/// The most columns that are read and written inline.
///
/// A record with more columns uses functions that are compiled once for each type. One large function takes the
/// compiler minutes at 200 columns.
pub(super) const MAX_INLINE_COLUMNS: usize = 32;

/// The number of columns of a large record that are read in one closure.
pub(super) const COLUMNS_PER_CLOSURE: usize = 16;

/// Returns the function `decode`. `open` opens the readers once, and `values` are read for each row.
pub(super) fn decode(record: &Record<'_>, open: &TokenStream, values: &[(&Field<'_>, TokenStream)]) -> TokenStream {
    let skipped = skipped(record);
    let row = if values.len() <= MAX_INLINE_COLUMNS {
        let fields = values.iter().map(|(field, value)| {
            let ident = field.ident;
            emit!(#ident: #value)
        });
        emit!(Self { #(#fields,)* #skipped })
    } else {
        let groups = values.chunks(COLUMNS_PER_CLOSURE).enumerate().map(|(number, group)| {
            let locals: Vec<_> = (0..group.len()).map(|at| local("value", number * COLUMNS_PER_CLOSURE + at)).collect();
            let values = group.iter().map(|(_, value)| value);
            emit! {
                let (#(#locals,)*) = _s3store::outlined(|| {
                    ::core::result::Result::<_, _s3store::RowError>::Ok((#(#values,)*))
                })?;
            }
        });
        let fields = values.iter().enumerate().map(|(index, (field, _))| {
            let (ident, local) = (field.ident, local("value", index));
            emit!(#ident: #local)
        });
        emit!({ #(#groups)* Self { #(#fields,)* #skipped } })
    };
    emit! {
        fn decode(
            columns: &[_s3store::ArrayRef],
            rows: ::core::ops::Range<::core::primitive::usize>,
            out: &mut ::std::vec::Vec<Self>,
        ) -> ::core::result::Result<(), _s3store::RowError> {
            #open
            out.reserve(rows.len());
            for row in rows {
                out.push(#row);
            }
            ::core::result::Result::Ok(())
        }
    }
}

/// Returns the values of the fields that are not stored.
fn skipped(record: &Record<'_>) -> TokenStream {
    let skipped = record.fields.iter().filter(|field| !field.is_column());
    skipped
        .map(|field| {
            let (ident, value) = (field.ident, default(field));
            emit!(#ident: #value,)
        })
        .collect()
}
