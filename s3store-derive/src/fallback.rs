//! Implementations that compile but do nothing, which a derive expands to beside its errors.
//!
//! Without them, the compiler would report each use of the type as a further error.

use std::collections::BTreeMap;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{DeriveInput, Ident, Type};

use crate::attr::{ColumnAttrs, RecordAttrs, ViewAttrs};
use crate::ctxt::Ctxt;
use crate::encoding::{encoding, form};
use crate::krate;
use crate::model::{Record, View};
use crate::names::{hash, method_name};

/// Returns the errors of `cx` and a record that compiles.
pub(crate) fn record(input: &DeriveInput, record: Option<&Record<'_>>, cx: Ctxt) -> TokenStream {
    let errors = errors(cx);
    if !input.generics.params.is_empty() {
        return errors;
    }
    let attrs;
    let attrs = match record {
        Some(record) => &record.attrs,
        None => {
            // The errors of these attributes are already in `cx`.
            attrs = RecordAttrs::read(&Ctxt::default(), &input.attrs);
            &attrs
        }
    };
    let krate = krate::path(&attrs.krate);
    let ident = &input.ident;
    let fields: Vec<_> = record.iter().flat_map(|record| record.columns()).collect();
    let columns: Vec<_> = fields.iter().map(|field| (field.ident, field.ty, encoding(field))).collect();
    let forms = fields.iter().zip(&columns).map(|(field, (.., encoding))| (hash(&field.name), form(field, encoding)));
    // The second of two fields with the same name is an error.
    let forms: BTreeMap<_, _> = forms.collect();
    let parts = attrs.partition_by.iter().flat_map(|parts| &parts.value);
    let items = record_items(ident, &columns, &forms, &methods(parts.map(|part| (part.name.clone(), part.span))));
    quote! {
        #errors

        #[allow(dead_code, unused_variables)]
        const _: () = {
            use #krate::__private as _s3store;
            #items
        };
    }
}

/// Returns the errors of `cx` and a view that compiles.
pub(crate) fn view(input: &DeriveInput, view: Option<&View<'_>>, cx: Ctxt) -> TokenStream {
    let errors = errors(cx);
    if !input.generics.params.is_empty() {
        return errors;
    }
    let attrs;
    let attrs = match view {
        Some(view) => &view.attrs,
        None => {
            attrs = ViewAttrs::read(&Ctxt::default(), &input.attrs);
            &attrs
        }
    };
    let krate = krate::path(&attrs.krate);
    let ident = &input.ident;
    let (record, record_items) = match &attrs.of {
        Some(given) => {
            let of = &given.value;
            (quote!(<#of as _s3store::Record>::Root), None)
        }
        None => {
            let placeholder = format_ident!("{}Record", ident.unraw());
            let items = record_items(&placeholder, &[], &BTreeMap::new(), &[]);
            (quote!(#placeholder), Some(quote!(pub struct #placeholder; #items)))
        }
    };
    let patterns = format_ident!("{}Patterns", ident.unraw());
    let fields = view.iter().flat_map(|view| &view.fields);
    let builder = builder(&patterns, &methods(fields.map(|field| (field.column(), field.column_span()))));
    quote! {
        #errors

        #[allow(dead_code, unused_variables)]
        const _: () = {
            use #krate::__private as _s3store;
            #record_items
            #builder

            #[automatically_derived]
            impl _s3store::View for #ident {
                type Record = #record;
                type Patterns = #patterns;
                // Unique, so that a record that lists the view reports no duplicate name.
                const NAME: &'static ::core::primitive::str = ::core::concat!(::core::line!(), ':', ::core::column!());
                const COLUMNS: &'static [&'static ::core::primitive::str] = &[];
                fn patterns() -> #patterns {
                    #patterns
                }
                fn source_columns() -> ::std::vec::Vec<&'static ::core::primitive::str> {
                    ::core::unimplemented!()
                }
                fn tuple(
                    record: &Self::Record,
                    tuple: &mut _s3store::Tuple,
                ) -> ::core::result::Result<::core::primitive::bool, _s3store::ValueError> {
                    ::core::unimplemented!()
                }
                fn tuples(
                    columns: &[_s3store::ArrayRef],
                    rows: ::core::ops::Range<::core::primitive::usize>,
                    take: &mut dyn ::core::ops::FnMut(&_s3store::Tuple),
                ) -> ::core::result::Result<(), _s3store::RowError> {
                    ::core::unimplemented!()
                }
                fn from_tuple(
                    values: &[&::core::primitive::str],
                ) -> ::core::result::Result<Self, _s3store::ValueError> {
                    ::core::unimplemented!()
                }
            }
        };
    }
}

/// Returns the names of the builder methods, each once.
fn methods(names: impl Iterator<Item = (String, Span)>) -> Vec<Ident> {
    let mut methods: Vec<Ident> = Vec::new();
    for (name, span) in names {
        let method = method_name(&name, span);
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    methods
}

/// Returns a builder whose methods take any argument.
fn builder(ident: &Ident, methods: &[Ident]) -> TokenStream {
    quote! {
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        pub struct #ident;

        impl #ident {
            #(pub fn #methods<T>(self, values: T) -> Self { self })*
        }

        impl _s3store::Sealed for #ident {}
        impl _s3store::IntoPatterns for #ident {
            fn into_patterns(self, names: &[&str]) -> _s3store::Result<::std::vec::Vec<_s3store::Pattern>> {
                ::core::unimplemented!()
            }
        }
    }
}

/// Returns a record with these columns, and a builder with these methods.
fn record_items(
    ident: &Ident,
    fields: &[(&Ident, &Type, TokenStream)],
    forms: &BTreeMap<u64, TokenStream>,
    methods: &[Ident],
) -> TokenStream {
    let columns = format_ident!("{}Columns", ident.unraw());
    let partitions = format_ident!("{}Partitions", ident.unraw());
    let names: Vec<_> = fields.iter().map(|(name, _, _)| name).collect();
    let types = fields.iter().map(|(_, ty, encoding)| quote!(#ty, #encoding));
    let builder = builder(&partitions, methods);
    let (hashes, forms) = (forms.keys(), forms.values());
    quote! {
        pub struct #columns {
            #(pub #names: _s3store::Column<#ident, #types>,)*
        }

        #builder

        #(#[diagnostic::do_not_recommend]
        impl _s3store::FieldForm<#hashes> for #columns {
            type Form = #forms;
        })*

        #[automatically_derived]
        impl _s3store::RowStruct for #ident {
            type Held = ();
            type Row<'row> = _s3store::WholeRow<'row, Self>;
            fn hold(
                arrays: &[_s3store::ArrayRef],
                rows: &_s3store::Reachable,
            ) -> ::core::result::Result<(), _s3store::ValueError> {
                ::core::unimplemented!()
            }
            fn row(columns: &(), row: ::core::primitive::usize) -> ::core::option::Option<Self::Row<'_>> {
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
    }
}

/// Returns the errors of `cx` and a column type that compiles.
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
                type InVec = _s3store::AsList;
                type InRows = _s3store::OwnedRows<Self>;
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
                fn hold(
                    _: &_s3store::ArrayRef,
                    _: &_s3store::Reachable,
                ) -> ::core::result::Result<Self::InRows, _s3store::ValueError> {
                    ::core::unimplemented!()
                }
            }

            #[automatically_derived]
            impl _s3store::PartitionValue for #ident {
                type Kind = _s3store::AsValue<Self>;
                fn render(&self, _: &mut ::std::string::String) -> ::core::result::Result<(), _s3store::ValueError> {
                    ::core::unimplemented!()
                }
            }

            #[automatically_derived]
            impl _s3store::ViewValue for #ident {
                fn parse(_: &::core::primitive::str) -> ::core::result::Result<Self, _s3store::ValueError> {
                    ::core::unimplemented!()
                }
            }
        };
    }
}

/// Returns the errors of `cx` as `compile_error!` calls.
fn errors(cx: Ctxt) -> TokenStream {
    cx.into_errors().iter().map(syn::Error::to_compile_error).collect()
}
