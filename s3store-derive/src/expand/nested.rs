//! A struct inside a column.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident};
use syn::Ident;

use super::{call, default, encoding, item, local, node};
use crate::model::{Field, own_name};

/// The implementation for the struct `ident`.
pub(super) fn items(ident: &Ident, fields: &[Field<'_>]) -> TokenStream {
    let columns: Vec<_> = fields.iter().filter(|field| field.is_column()).collect();
    let encodings: Vec<_> = columns.iter().map(|field| encoding(field)).collect();
    let nodes = columns.iter().zip(&encodings).map(|(field, encoding)| node(field, encoding));
    let members: Vec<_> = columns.iter().map(|field| field.ident).collect();
    let names: Vec<_> = columns.iter().map(|field| field.column()).collect();
    let parts: Vec<_> = (0..columns.len()).map(|index| local("part", index)).collect();
    let kinds: Vec<_> = (0..columns.len()).map(|index| format_ident!("P{index}")).collect();
    let parts_ident = own_name(ident, "Parts", &fields.iter().map(|field| field.ty.to_token_stream()).collect());
    // Each a path below the field's type, at the place of that type.
    let types = |name: &str| -> Vec<_> {
        let typed = columns.iter().zip(&encodings);
        typed.map(|(field, encoding)| item(field, encoding, name)).collect()
    };
    let calls = |name: &str, arguments: &dyn Fn(usize) -> TokenStream| -> Vec<_> {
        let typed = columns.iter().zip(&encodings).enumerate();
        typed.map(|(index, (field, encoding))| call(field, encoding, name, &arguments(index))).collect()
    };
    let [sizes, builders, readers] = ["Size", "Builder", "Reader"].map(types);
    let part = |index: usize| parts.get(index);
    let member = |index: usize| members.get(index);
    let measure = calls("measure", &|index| {
        let (member, part) = (member(index), part(index));
        emit!(&value.#member, &mut size.#part)
    });
    let builder = calls("builder", &|index| {
        let part = part(index);
        emit!(rows, &size.#part)
    });
    let push = calls("push", &|index| {
        let (member, part) = (member(index), part(index));
        emit!(&value.#member, &mut builder.#part)
    });
    let push_null = calls("push_null", &|index| {
        let part = part(index);
        emit!(&mut builder.#part)
    });
    let finish = calls("finish", &|index| {
        let part = part(index);
        emit!(builder.#part)
    });
    let reader = calls("reader", &|index| emit!(whole.child(#index)?));
    let get = calls("get", &|index| {
        let part = part(index);
        emit!(&reader.#part, row)
    });
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
            type Size = #parts_ident<() #(, #sizes)*>;
            type Builder = #parts_ident<_s3store::Validity #(, #builders)*>;
            type Reader = #parts_ident<_s3store::StructReader #(, #readers)*>;
            type InVec = _s3store::AsList;
            type Order = _s3store::Unordered;

            fn shape() -> _s3store::Shape {
                _s3store::Shape::Struct(_s3store::call_each(&[#(|| #nodes),*]))
            }

            fn measure(value: &Self, size: &mut Self::Size) {
                #(#measure;)*
            }

            fn builder(rows: ::core::primitive::usize, size: &Self::Size) -> Self::Builder {
                #parts_ident {
                    whole: _s3store::Validity::new(rows),
                    #(#parts: #builder,)*
                }
            }

            fn push(value: &Self, builder: &mut Self::Builder) -> ::core::result::Result<(), _s3store::ValueError> {
                builder.whole.append_non_null();
                #(_s3store::in_column(#push, #names)?;)*
                ::core::result::Result::Ok(())
            }

            fn push_null(builder: &mut Self::Builder) {
                builder.whole.append_null();
                #(#push_null;)*
            }

            fn finish(builder: Self::Builder) -> ::core::result::Result<_s3store::ArrayRef, _s3store::ValueError> {
                let children = ::std::vec![
                    #(_s3store::in_column(#finish, #names)?,)*
                ];
                _s3store::struct_array(<Self as _s3store::ColumnType>::shape(), children, builder.whole)
            }

            fn reader(array: &_s3store::ArrayRef) -> ::core::result::Result<Self::Reader, _s3store::ValueError> {
                let whole = _s3store::StructReader::new(array)?;
                ::core::result::Result::Ok(#parts_ident {
                    #(#parts: _s3store::in_column(#reader, #names)?,)*
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
                    #(#members: _s3store::in_column(#get, #names)?,)*
                    #(#skipped,)*
                })
            }
        }
    }
}
