//! What is emitted beside errors: implementations that do nothing, so that the uses of a type raise no more errors.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{DeriveInput, Ident};

use crate::attr::{ColumnAttrs, RecordAttrs};
use crate::ctxt::Ctxt;
use crate::expand::method;
use crate::krate;
use crate::model::Record;

/// The errors of `cx`, then a record that compiles.
pub(crate) fn record(input: &DeriveInput, record: Option<&Record<'_>>, cx: Ctxt) -> TokenStream {
    let errors = errors(cx);
    if !input.generics.params.is_empty() {
        return errors;
    }
    let attrs;
    let attrs = match record {
        Some(record) => &record.attrs,
        None => {
            // Its errors were noted when the struct was looked at.
            attrs = RecordAttrs::read(&Ctxt::default(), &input.attrs);
            &attrs
        }
    };
    let krate = krate::path(&attrs.krate);
    let ident = &input.ident;
    let columns = format_ident!("{}Columns", ident.unraw());
    let partitions = format_ident!("{}Partitions", ident.unraw());
    let fields: Vec<_> = record.iter().flat_map(|record| record.columns()).collect();
    let names: Vec<_> = fields.iter().map(|field| field.ident).collect();
    let types: Vec<_> = fields.iter().map(|field| field.ty).collect();
    let mut methods: Vec<Ident> = Vec::new();
    for part in attrs.partition_by.iter().flat_map(|parts| &parts.value) {
        let method = method(&part.name, part.span);
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    quote! {
        #errors

        #[allow(dead_code, unused_variables)]
        const _: () = {
            use #krate::__private as _s3store;

            pub struct #columns {
                #(pub #names: _s3store::Column<#ident, #types>,)*
            }

            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            pub struct #partitions;

            impl #partitions {
                #(pub fn #methods<T>(self, values: T) -> Self { self })*
            }

            impl _s3store::Sealed for #partitions {}
            impl _s3store::IntoPatterns for #partitions {
                fn into_patterns(self, names: &[&str]) -> _s3store::Result<::std::vec::Vec<_s3store::Pattern>> {
                    ::core::unimplemented!()
                }
            }

            #[automatically_derived]
            impl _s3store::Record for #ident {
                type Root = Self;
                type Columns = #columns;
                const COLUMNS: #columns = #columns { #(#names: _s3store::Column::new("", |record| &record.#names),)* };
                type Partitions = #partitions;
                fn partitions() -> #partitions {
                    #partitions
                }
                fn description() -> &'static _s3store::Description {
                    ::core::unimplemented!()
                }
                fn decode(
                    columns: &[_s3store::ArrayRef],
                    rows: ::core::ops::Range<usize>,
                    out: &mut ::std::vec::Vec<Self>,
                ) -> ::core::result::Result<(), _s3store::RowError> {
                    ::core::unimplemented!()
                }
            }

            #[automatically_derived]
            impl _s3store::RootRecord for #ident {
                fn encode<'a, I>(
                    rows: I,
                    inserted_at: i64,
                    only: ::core::option::Option<&_s3store::Key>,
                ) -> ::core::result::Result<::std::vec::Vec<_s3store::ArrayRef>, _s3store::RowError>
                where
                    I: ::core::iter::ExactSizeIterator<Item = &'a Self> + ::core::clone::Clone,
                {
                    ::core::unimplemented!()
                }
                fn partition_key(
                    &self,
                    key: &mut ::std::string::String,
                ) -> ::core::result::Result<(), _s3store::ValueError> {
                    ::core::unimplemented!()
                }
            }
        };
    }
}

/// The errors of `cx`, then a column type that compiles.
pub(crate) fn column_type(input: &DeriveInput, attrs: &ColumnAttrs, cx: Ctxt) -> TokenStream {
    let errors = errors(cx);
    if !input.generics.params.is_empty() {
        return errors;
    }
    let krate = krate::path(&attrs.krate);
    let ident = &input.ident;
    quote! {
        #errors

        const _: () = {
            use #krate::__private as _s3store;

            #[automatically_derived]
            impl _s3store::ColumnType for #ident {
                type Size = ();
                type Builder = ();
                type Reader = ();
                type InVec = _s3store::Listed;
                type Order = _s3store::Total;
                fn shape() -> _s3store::Shape {
                    ::core::unimplemented!()
                }
                fn measure(_: &Self, _: &mut ()) {}
                fn builder(_: usize, _: &()) {}
                fn push(_: &Self, _: &mut ()) -> ::core::result::Result<(), _s3store::ValueError> {
                    ::core::unimplemented!()
                }
                fn push_null(_: &mut ()) {}
                fn finish(_: ()) -> ::core::result::Result<_s3store::ArrayRef, _s3store::ValueError> {
                    ::core::unimplemented!()
                }
                fn reader(_: &_s3store::ArrayRef) -> ::core::result::Result<(), _s3store::ValueError> {
                    ::core::unimplemented!()
                }
                fn is_null(_: &(), _: usize) -> bool {
                    ::core::unimplemented!()
                }
                fn get(_: &(), _: usize) -> ::core::result::Result<Self, _s3store::ValueError> {
                    ::core::unimplemented!()
                }
            }
        };
    }
}

/// The errors of `cx`, as what the compiler prints.
pub(crate) fn errors(cx: Ctxt) -> TokenStream {
    cx.into_errors().iter().map(syn::Error::to_compile_error).collect()
}
