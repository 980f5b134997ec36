//! A struct inside a column.

use proc_macro2::TokenStream;
use quote::format_ident;
use syn::Ident;
use syn::ext::IdentExt;

use super::{default, encoding, local, node};
use crate::model::Field;

/// The implementation for the struct `ident`.
pub(super) fn items(ident: &Ident, fields: &[Field<'_>]) -> TokenStream {
    let columns: Vec<_> = fields.iter().filter(|field| field.is_column()).collect();
    let encodings: Vec<_> = columns.iter().map(|field| encoding(field)).collect();
    let nodes = columns.iter().zip(&encodings).map(|(field, encoding)| node(field, encoding));
    let paths = columns.iter().zip(&encodings).map(|(field, encoding)| {
        let ty = field.ty;
        emit!(<#ty as _s3store::ColumnType<#encoding>>)
    });
    let paths: Vec<_> = paths.collect();
    let members: Vec<_> = columns.iter().map(|field| field.ident).collect();
    let names: Vec<_> = columns.iter().map(|field| field.column()).collect();
    let indices: Vec<_> = (0..columns.len()).collect();
    let parts: Vec<_> = indices.iter().map(|&index| local("part", index)).collect();
    let kinds: Vec<_> = indices.iter().map(|index| format_ident!("P{index}")).collect();
    let parts_ident = format_ident!("{}Parts", ident.unraw());
    let skipped = fields.iter().filter(|field| !field.is_column()).map(|field| {
        let (ident, value) = (field.ident, default(field));
        emit!(#ident: #value)
    });
    emit! {
        /// Something for each field: its size, its builder or its reader, and one for the struct itself.
        #[doc(hidden)]
        #[derive(::core::default::Default)]
        pub struct #parts_ident<W #(, #kinds)*> {
            whole: W,
            #(#parts: #kinds,)*
        }

        #[automatically_derived]
        impl _s3store::ColumnType for #ident {
            type Size = #parts_ident<() #(, #paths::Size)*>;
            type Builder = #parts_ident<_s3store::Validity #(, #paths::Builder)*>;
            type Reader = #parts_ident<_s3store::StructReader #(, #paths::Reader)*>;
            type InVec = _s3store::Listed;
            type Order = _s3store::Unordered;

            fn shape() -> _s3store::Shape {
                _s3store::Shape::Struct(::std::vec![#(#nodes,)*])
            }

            fn measure(value: &Self, size: &mut Self::Size) {
                #(#paths::measure(&value.#members, &mut size.#parts);)*
            }

            fn builder(rows: ::core::primitive::usize, size: &Self::Size) -> Self::Builder {
                #parts_ident {
                    whole: _s3store::Validity::new(rows),
                    #(#parts: #paths::builder(rows, &size.#parts),)*
                }
            }

            fn push(value: &Self, builder: &mut Self::Builder) -> ::core::result::Result<(), _s3store::ValueError> {
                builder.whole.append_non_null();
                #(_s3store::in_column(#paths::push(&value.#members, &mut builder.#parts), #names)?;)*
                ::core::result::Result::Ok(())
            }

            fn push_null(builder: &mut Self::Builder) {
                builder.whole.append_null();
                #(#paths::push_null(&mut builder.#parts);)*
            }

            fn finish(builder: Self::Builder) -> ::core::result::Result<_s3store::ArrayRef, _s3store::ValueError> {
                let children = ::std::vec![
                    #(_s3store::in_column(#paths::finish(builder.#parts), #names)?,)*
                ];
                _s3store::struct_array(<Self as _s3store::ColumnType>::shape(), children, builder.whole)
            }

            fn reader(array: &_s3store::ArrayRef) -> ::core::result::Result<Self::Reader, _s3store::ValueError> {
                let whole = _s3store::StructReader::new(array)?;
                ::core::result::Result::Ok(#parts_ident {
                    #(#parts: _s3store::in_column(#paths::reader(whole.child(#indices)?), #names)?,)*
                    whole,
                })
            }

            fn is_null(reader: &Self::Reader, row: ::core::primitive::usize) -> ::core::primitive::bool {
                reader.whole.is_null(row)
            }

            fn get(
                reader: &Self::Reader,
                row: ::core::primitive::usize,
            ) -> ::core::result::Result<Self, _s3store::ValueError> {
                reader.whole.not_null(row)?;
                ::core::result::Result::Ok(Self {
                    #(#members: _s3store::in_column(#paths::get(&reader.#parts, row), #names)?,)*
                    #(#skipped,)*
                })
            }
        }
    }
}
