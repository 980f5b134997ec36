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
    let [size, builder, reader] = ["Size", "Builder", "Reader"].map(|part| format_ident!("{}{part}", ident.unraw()));
    let skipped = fields.iter().filter(|field| !field.is_column()).map(|field| {
        let (ident, value) = (field.ident, default(field));
        emit!(#ident: #value)
    });
    emit! {
        #[doc(hidden)]
        #[derive(::core::default::Default)]
        pub struct #size { #(#parts: #paths::Size,)* }

        #[doc(hidden)]
        pub struct #builder {
            validity: _s3store::Validity,
            #(#parts: #paths::Builder,)*
        }

        #[doc(hidden)]
        pub struct #reader {
            validity: _s3store::StructReader,
            #(#parts: #paths::Reader,)*
        }

        #[automatically_derived]
        impl _s3store::ColumnType for #ident {
            type Size = #size;
            type Builder = #builder;
            type Reader = #reader;
            type InVec = _s3store::Listed;
            type Order = _s3store::Unordered;

            fn shape() -> _s3store::Shape {
                _s3store::Shape::Struct(::std::vec![#(#nodes,)*])
            }

            fn measure(value: &Self, size: &mut #size) {
                #(#paths::measure(&value.#members, &mut size.#parts);)*
            }

            fn builder(rows: ::core::primitive::usize, size: &#size) -> #builder {
                #builder {
                    validity: _s3store::Validity::new(rows),
                    #(#parts: #paths::builder(rows, &size.#parts),)*
                }
            }

            fn push(value: &Self, builder: &mut #builder) -> ::core::result::Result<(), _s3store::ValueError> {
                builder.validity.append_non_null();
                #(_s3store::in_column(#paths::push(&value.#members, &mut builder.#parts), #names)?;)*
                ::core::result::Result::Ok(())
            }

            fn push_null(builder: &mut #builder) {
                builder.validity.append_null();
                #(#paths::push_null(&mut builder.#parts);)*
            }

            fn finish(builder: #builder) -> ::core::result::Result<_s3store::ArrayRef, _s3store::ValueError> {
                let children = ::std::vec![
                    #(_s3store::in_column(#paths::finish(builder.#parts), #names)?,)*
                ];
                _s3store::struct_array(<Self as _s3store::ColumnType>::shape(), children, builder.validity)
            }

            fn reader(array: &_s3store::ArrayRef) -> ::core::result::Result<#reader, _s3store::ValueError> {
                let validity = _s3store::StructReader::new(array)?;
                ::core::result::Result::Ok(#reader {
                    #(#parts: _s3store::in_column(#paths::reader(validity.child(#indices)?), #names)?,)*
                    validity,
                })
            }

            fn is_null(reader: &#reader, row: ::core::primitive::usize) -> ::core::primitive::bool {
                reader.validity.is_null(row)
            }

            fn get(
                reader: &#reader,
                row: ::core::primitive::usize,
            ) -> ::core::result::Result<Self, _s3store::ValueError> {
                reader.validity.not_null(row)?;
                ::core::result::Result::Ok(Self {
                    #(#members: _s3store::in_column(#paths::get(&reader.#parts, row), #names)?,)*
                    #(#skipped,)*
                })
            }
        }
    }
}
