//! A struct that is stored in one column.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident};
use syn::Ident;

use super::rows::{RowField, row_struct};
use super::tokens::{call, default, item, local, node};
use crate::encoding::encoding;
use crate::model::Field;
use crate::names::item_name;

/// Returns the implementation of `ColumnType` for the struct `ident`.
pub(super) fn nested(ident: &Ident, fields: &[Field<'_>]) -> TokenStream {
    let columns: Vec<_> = fields.iter().filter(|field| field.is_column()).collect();
    let encodings: Vec<_> = columns.iter().map(|field| encoding(field)).collect();
    let nodes = columns.iter().zip(&encodings).map(|(field, encoding)| node(field, encoding));
    let members: Vec<_> = columns.iter().map(|field| field.ident).collect();
    let names: Vec<_> = columns.iter().map(|field| field.column()).collect();
    let children: Vec<_> = (0..columns.len()).map(|index| local("child", index)).collect();
    let type_params: Vec<_> = (0..columns.len()).map(|index| format_ident!("T{index}")).collect();
    let taken = fields.iter().map(|field| field.ty.to_token_stream()).collect();
    let children_ident = item_name(ident, "Children", &taken);
    let row_fields: Vec<_> = columns
        .iter()
        .zip(&encodings)
        .enumerate()
        .map(|(index, (field, encoding))| RowField::of(field, encoding, index))
        .collect();
    let rows = row_struct(ident, &item_name(ident, "Row", &taken), &item_name(ident, "Held", &taken), &row_fields);
    let associated_types = |name: &str| -> Vec<_> {
        let encoded = columns.iter().zip(&encodings);
        encoded.map(|(field, encoding)| item(field, encoding, name)).collect()
    };
    let calls = |name: &str, arguments: &dyn Fn(usize) -> TokenStream| -> Vec<_> {
        let encoded = columns.iter().zip(&encodings).enumerate();
        encoded.map(|(index, (field, encoding))| call(field, encoding, name, &arguments(index))).collect()
    };
    let [sizes, builders, readers, lossy] = ["Size", "Builder", "Reader", "LOSSY"].map(associated_types);
    // A read returns the default of a skipped field.
    let skips = columns.len() < fields.len();
    let child = |index: usize| children.get(index);
    let member = |index: usize| members.get(index);
    let measure = calls("measure", &|index| {
        let (member, child) = (member(index), child(index));
        emit!(&value.#member, &mut size.#child)
    });
    let builder = calls("builder", &|index| {
        let child = child(index);
        emit!(rows, &size.#child)
    });
    let push = calls("push", &|index| {
        let (member, child) = (member(index), child(index));
        emit!(&value.#member, &mut builder.#child)
    });
    let push_null = calls("push_null", &|index| {
        let child = child(index);
        emit!(&mut builder.#child)
    });
    let finish = calls("finish", &|index| {
        let child = child(index);
        emit!(builder.#child)
    });
    let reader = calls("reader", &|index| emit!(parent.child(#index)?));
    let get = calls("get", &|index| {
        let child = child(index);
        emit!(&reader.#child, row)
    });
    let skipped = fields.iter().filter(|field| !field.is_column()).map(|field| {
        let (ident, value) = (field.ident, default(field));
        emit!(#ident: #value)
    });
    emit! {
        #rows

        /// The sizes, builders or readers of the fields, and the one of the struct itself.
        #[doc(hidden)]
        #[derive(::core::default::Default)]
        pub struct #children_ident<P #(, #type_params)*> {
            parent: P,
            #(#children: #type_params,)*
        }

        #[automatically_derived]
        impl _s3store::ColumnType for #ident {
            type Size = #children_ident<() #(, #sizes)*>;
            type Builder = #children_ident<_s3store::Validity #(, #builders)*>;
            type Reader = #children_ident<_s3store::StructReader #(, #readers)*>;
            type InVec = _s3store::AsList;
            type InRows = _s3store::StructRows<Self>;
            type Order = _s3store::Unordered;
            const LOSSY: ::core::primitive::bool = #skips #(|| #lossy)*;

            fn shape() -> _s3store::Shape {
                _s3store::Shape::Struct(_s3store::call_each(&[#(|| #nodes),*]))
            }

            fn measure(value: &Self, size: &mut Self::Size) {
                #(#measure;)*
            }

            fn builder(rows: ::core::primitive::usize, size: &Self::Size) -> Self::Builder {
                #children_ident {
                    parent: _s3store::Validity::new(rows),
                    #(#children: #builder,)*
                }
            }

            fn push(value: &Self, builder: &mut Self::Builder) -> ::core::result::Result<(), _s3store::ValueError> {
                builder.parent.append_non_null();
                #(_s3store::in_column(#push, #names)?;)*
                ::core::result::Result::Ok(())
            }

            fn push_null(builder: &mut Self::Builder) {
                builder.parent.append_null();
                #(#push_null;)*
            }

            fn finish(builder: Self::Builder) -> ::core::result::Result<_s3store::ArrayRef, _s3store::ValueError> {
                let children = ::std::vec![
                    #(_s3store::in_column(#finish, #names)?,)*
                ];
                _s3store::struct_array(<Self as _s3store::ColumnType>::shape(), children, builder.parent)
            }

            fn reader(array: &_s3store::ArrayRef) -> ::core::result::Result<Self::Reader, _s3store::ValueError> {
                let parent = _s3store::StructReader::new(array)?;
                ::core::result::Result::Ok(#children_ident {
                    #(#children: _s3store::in_column(#reader, #names)?,)*
                    parent,
                })
            }

            fn is_null(reader: &Self::Reader, row: ::core::primitive::usize) -> ::core::primitive::bool {
                reader.parent.is_null(row)
            }

            fn get(
                reader: &Self::Reader,
                row: ::core::primitive::usize,
            ) -> ::core::result::Result<Self, _s3store::ValueError> {
                reader.parent.not_null(row)?;
                ::core::result::Result::Ok(Self {
                    #(#members: _s3store::in_column(#get, #names)?,)*
                    #(#skipped,)*
                })
            }

            fn hold(
                array: &_s3store::ArrayRef,
                rows: &_s3store::Reachable,
            ) -> ::core::result::Result<Self::InRows, _s3store::ValueError> {
                _s3store::StructRows::hold(array, rows)
            }
        }
    }
}
