//! A view: its tuples as text, made from a record's fields, and back.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Ident, Path};

use super::builder::{Builder, Selector, TAKES_VALUE, rendering, result_of, takes_time};
use super::inputs::{Inputs, column};
use super::tokens::{local, located};
use crate::model::{View, ViewField};
use crate::strftime::{TimeParts, as_strftime, keeps_order};
use crate::types::classify;

/// Returns the implementation of `View`. `of` is the record's path, and `name` the view's name.
pub(crate) fn view(view: &View<'_>, of: &Path, name: &str) -> TokenStream {
    let ident = view.ident;
    let names: Vec<_> = view.fields.iter().map(ViewField::column).collect();
    let builder = builder(view, of, &names);
    let (builder_items, patterns, builder_docs) = (&builder.items, &builder.ident, &builder.docs);
    let inputs = Inputs::of(view, of);
    let assertions = inputs.assertions();
    let sources = inputs.columns();
    let tuple = tuple(view, &names, &inputs);
    let from_tuple = from_tuple(view, &names);
    let fields = view.fields.iter().map(|field| field.ident);
    let at = located(of.span());
    let record = quote_spanned!(at=> <#of as _s3store::Record>::Root);
    let written = quote_spanned!(at=> <#of as _s3store::RootRecord>::views);
    emit! {
        #builder_items
        #assertions

        // Marks the fields as used: a process that only writes never reads them.
        const _: fn(&#ident) = |view| {
            let _ = (#(&view.#fields,)*);
        };

        #[automatically_derived]
        impl _s3store::View for #ident {
            type Record = #record;
            type Patterns = #patterns;
            const NAME: &'static ::core::primitive::str = #name;
            const COLUMNS: &'static [&'static ::core::primitive::str] = &[#(#names),*];

            #builder_docs
            fn patterns() -> #patterns {
                #patterns::all()
            }

            fn source_columns() -> ::std::vec::Vec<&'static ::core::primitive::str> {
                // Does not compile if the record is a projection, which has no such function.
                let _ = #written;
                ::std::vec![#(#sources.name()),*]
            }

            #tuple
            #from_tuple
        }
    }
}

/// Returns the functions `tuple`, for a record, and `tuples`, for a batch.
///
/// Both have the same body, so a backfill makes exactly the markers that writes make.
fn tuple(view: &View<'_>, names: &[String], inputs: &Inputs<'_>) -> TokenStream {
    let body = body(view, names, inputs);
    let columns = inputs.column_variables();
    let count = inputs.len();
    let locals = |prefix: &str| -> Vec<_> { (0..count).map(|index| local(prefix, index)).collect() };
    let (column_locals, readings, fields) = (locals("column"), locals("reading"), locals("field"));
    let indices = inputs.field_indices();
    emit! {
        fn tuple(
            record: &Self::Record,
            tuple: &mut _s3store::Tuple,
        ) -> ::core::result::Result<::core::primitive::bool, _s3store::ValueError> {
            #columns
            #(let #readings = #column_locals.stored(record)?;)*
            #(let #fields = #readings.as_ref().unwrap_or(#column_locals.of(record));)*
            #body
        }

        fn tuples(
            columns: &[_s3store::ArrayRef],
            rows: ::core::ops::Range<::core::primitive::usize>,
            take: &mut dyn ::core::ops::FnMut(&_s3store::Tuple),
        ) -> ::core::result::Result<(), _s3store::RowError> {
            #columns
            #(let #readings = #column_locals.reader(columns, #indices)?;)*
            let mut made = <_s3store::Tuple as ::core::default::Default>::default();
            for row in rows {
                #(let #fields = &#readings.read(row)?;)*
                let tuple = &mut made;
                let has = _s3store::outlined(
                    || -> ::core::result::Result<::core::primitive::bool, _s3store::ValueError> { #body }
                );
                if has.map_err(|error| error.at_row(row))? {
                    take(&made);
                }
            }
            ::core::result::Result::Ok(())
        }
    }
}

/// Returns the statements that fill `tuple` from references to fields.
fn body(view: &View<'_>, names: &[String], inputs: &Inputs<'_>) -> TokenStream {
    // All functions run first. If one fails or returns `None`, the record has no tuple, so its other values need no text.
    let mut calls = TokenStream::new();
    let mut pushes = TokenStream::new();
    for (index, (field, name)) in view.fields.iter().zip(names).enumerate() {
        let (ty, at) = (field.ty, located(field.ty.span()));
        let push = quote_spanned!(at=> <#ty as _s3store::ViewColumn>::push);
        let push = if let Some(given) = &field.attrs.with {
            let (path, arguments) = &given.value;
            let arguments = arguments.iter().map(|argument| {
                let mut value = inputs.variable(argument, None);
                value.set_span(located(argument.span()));
                value
            });
            let call = quote_spanned!(located(path.span())=> #path(#(#arguments),*));
            let value = local("value", index);
            let result = quote_spanned!(located(path.span())=> _s3store::ViewResult::<#ty>::into_value(#call));
            calls.extend(emit! {
                let #value = _s3store::in_column(#result, #name)?;
                let ::core::option::Option::Some(#value) = #value else {
                    return ::core::result::Result::Ok(false);
                };
            });
            emit!(#push(&#value, text))
        } else if let Some(given) = &field.attrs.format {
            let (value, format) = (inputs.variable(field.record_field(), None), &given.value);
            let parts = match TimeParts::of(&format.value()) {
                Some(TimeParts::Date) => emit!(_s3store::DateParts),
                Some(TimeParts::TimeOfDay) => emit!(_s3store::TimeParts),
                Some(TimeParts::Both) | None => emit!(_s3store::DateTimeParts),
            };
            let at = located(field.record_field().span());
            quote_spanned!(at=> _s3store::push_parts::<#parts, _>(#value, #format, text))
        } else {
            let value = inputs.variable(field.record_field(), Some(ty));
            emit!(#push(#value, text))
        };
        pushes.extend(emit!(tuple.push(#name, |text| #push)?;));
    }
    emit! {
        #calls
        tuple.clear();
        #pushes
        ::core::result::Result::Ok(true)
    }
}

/// Returns the function `from_tuple`.
fn from_tuple(view: &View<'_>, names: &[String]) -> TokenStream {
    let locals: Vec<_> = (0..names.len()).map(|index| local("value", index)).collect();
    let fields = view.fields.iter().zip(names).zip(&locals).map(|((field, name), value)| {
        let (ident, ty, at) = (field.ident, field.ty, located(field.ty.span()));
        let parsed = match &field.attrs.format {
            Some(given) => {
                let format = &given.value;
                quote_spanned!(at=> <#ty as _s3store::Formatted>::parse_in(#value, #format))
            }
            None => quote_spanned!(at=> <#ty as _s3store::ViewColumn>::parse(#value)),
        };
        emit!(#ident: _s3store::in_column(#parsed, #name)?)
    });
    emit! {
        fn from_tuple(
            values: &[&::core::primitive::str],
        ) -> ::core::result::Result<Self, _s3store::ValueError> {
            let [#(#locals),*] = _s3store::tuple_values(values)?;
            ::core::result::Result::Ok(Self { #(#fields,)* })
        }
    }
}

/// Returns the builder, and the types that render formatted columns.
fn builder(view: &View<'_>, of: &Path, names: &[String]) -> Builder {
    let mut formats = TokenStream::new();
    let fields = view.fields.iter().zip(names).enumerate();
    let selectors: Vec<_> =
        fields.map(|(index, (field, name))| selector(view, of, field, name, index, &mut formats)).collect();
    let doc = format!("A pattern for tuples of [`{}`]. Each method narrows it.", view.ident);
    Builder::new(view.item_name("Patterns"), &doc, "tuples", &selectors, &formats)
}

/// Returns the selector of a column.
fn selector<'n>(
    view: &View<'_>,
    of: &Path,
    field: &ViewField<'_>,
    name: &'n str,
    index: usize,
    formats: &mut TokenStream,
) -> Selector<'n> {
    let (ty, at, record_field) = (field.ty, located(field.ty.span()), field.record_field());
    let plain_kind = || quote_spanned!(at=> <#ty as _s3store::ViewColumn>::Kind);
    let (kind, value, takes) = if let Some(given) = &field.attrs.with {
        let (path, fields) = &given.value;
        (plain_kind(), result_of(path, fields), TAKES_VALUE)
    } else if let Some(given) = &field.attrs.format {
        let (ident, format) = (view.item_name(&format!("Part{index}")), &given.value);
        let column = column(of, record_field);
        let text = format.value();
        let ordered = keeps_order(as_strftime(&text), classify(ty));
        let render = quote_spanned!(at=> <#ty as _s3store::Formatted>::text_in(value, &#column, #format));
        formats.extend(rendering(&ident, &emit!(#ty), &render, ordered));
        let kind = quote_spanned!(at=> <#ty as _s3store::Formatted>::Kind<#ident>);
        let value = format!("the field `{record_field}` in the format `{text}`");
        (kind, value, takes_time(ordered))
    } else {
        let (ident, kind) = (view.item_name(&format!("Column{index}")), plain_kind());
        formats.extend(stored_column(&ident, of, field));
        let kind = quote_spanned!(at=> <#kind as _s3store::SelectionKind<#ident, #ty>>::Kind);
        (kind, format!("the field `{record_field}`"), TAKES_VALUE)
    };
    let ty = field.ty.to_token_stream();
    Selector { name, span: field.column_span(), kind, ty, value, takes }
}

/// Returns the type `ident`, which converts values of a column as the record's column stores them.
fn stored_column(ident: &Ident, of: &Path, field: &ViewField<'_>) -> TokenStream {
    let ty = field.ty;
    let column = column(of, field.record_field());
    let column = quote_spanned!(located(field.ident.span())=> &#column);
    let expected = quote_spanned!(located(ty.span())=> &_s3store::Column<_, #ty, _>);
    emit! {
        #[doc(hidden)]
        pub enum #ident {}

        #[automatically_derived]
        impl _s3store::StoredColumn<#ty> for #ident {
            fn stored(
                value: &#ty,
            ) -> ::core::result::Result<::core::option::Option<#ty>, _s3store::ValueError> {
                let column: #expected = #column;
                column.stored_value(value)
            }
        }
    }
}
