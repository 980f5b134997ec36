//! A view: tuples of values made of a record's fields, as text and back.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DeriveInput, Ident, Path, Type};

use super::builder::{ANY, Builder, Column, made_by, of_time, rendering};
use super::{in_const, local, located};
use crate::check::{self, Parts, as_strftime, keeps_order, parts};
use crate::ctxt::Ctxt;
use crate::fallback;
use crate::krate;
use crate::model::{View, ViewField};
use crate::types::look;

/// The implementations of a view, or its errors.
pub(crate) fn view(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let view = View::read(&cx, input);
    if let Some(view) = &view {
        check::view(&cx, view);
    }
    if let Some(view) = &view
        && let (Some(of), Some(name), 0) = (&view.attrs.of, &view.attrs.name, cx.count())
    {
        return in_const(&krate::path(&view.attrs.krate), &items(view, &of.value, &name.value.value()));
    }
    fallback::view(input, view.as_ref(), cx)
}

fn items(view: &View<'_>, of: &Path, name: &str) -> TokenStream {
    let ident = view.ident;
    let names: Vec<_> = view.fields.iter().map(ViewField::column).collect();
    let builder = builder(view, &names);
    let (builder_items, patterns) = (&builder.items, &builder.ident);
    let uses = Uses::of(view, of);
    let assertions = uses.assertions();
    let sources = uses.sources.iter().map(|source| column(of, source));
    let tuple = tuple(view, &names, &uses);
    let from_tuple = from_tuple(view, &names);
    let fields = view.fields.iter().map(|field| field.ident);
    let at = located(of.span());
    let record = quote_spanned!(at=> <#of as _s3store::Record>::Root);
    let written = quote_spanned!(at=> <#of as _s3store::RootRecord>::views);
    emit! {
        #builder_items
        #assertions

        // A process that only writes reads no field of a view.
        const _: fn(&#ident) = |view| {
            let _ = (#(&view.#fields,)*);
        };

        #[automatically_derived]
        impl _s3store::View for #ident {
            type Record = #record;
            type Patterns = #patterns;
            const NAME: &'static ::core::primitive::str = #name;
            const COLUMNS: &'static [&'static ::core::primitive::str] = &[#(#names),*];

            fn patterns() -> #patterns {
                #patterns::all()
            }

            fn source_columns() -> ::std::vec::Vec<&'static ::core::primitive::str> {
                // A projection has it not.
                let _ = #written;
                ::std::vec![#(#sources.name()),*]
            }

            #tuple
            #from_tuple
        }
    }
}

/// The constant of a record's column. The compiler itself says that there is none of this name.
fn column(of: &Path, field: &Ident) -> TokenStream {
    quote_spanned!(located(field.span())=> <#of as _s3store::Record>::COLUMNS.#field)
}

/// The uses that a view makes of its record's fields.
struct Uses<'v> {
    of: &'v Path,
    /// The fields, each once.
    sources: Vec<&'v Ident>,
    uses: Vec<Use<'v>>,
}

/// A field of the record as values are made of it: once, but for plain columns that want it as different types.
struct Use<'v> {
    source: usize,
    /// The column of the view that is the field itself, and so has its type.
    plain: Option<&'v ViewField<'v>>,
}

impl<'v> Uses<'v> {
    fn of(view: &'v View<'v>, of: &'v Path) -> Self {
        let mut this = Self { of, sources: Vec::new(), uses: Vec::new() };
        let is_plain = |field: &ViewField<'_>| field.attrs.with.is_none() && field.attrs.format.is_none();
        for field in view.fields.iter().filter(|field| is_plain(field)) {
            this.add(field.source(), Some(field));
        }
        for field in &view.fields {
            match &field.attrs.with {
                Some(given) => given.value.1.iter().for_each(|argument| this.add(argument, None)),
                None if is_plain(field) => {}
                None => this.add(field.source(), None),
            }
        }
        this
    }

    fn add(&mut self, field: &'v Ident, plain: Option<&'v ViewField<'v>>) {
        let source = match self.place(field) {
            Some(source) => source,
            None => {
                self.sources.push(field);
                self.sources.len() - 1
            }
        };
        if self.position(source, plain.map(|field| field.ty)).is_none() {
            self.uses.push(Use { source, plain });
        }
    }

    fn place(&self, field: &Ident) -> Option<usize> {
        self.sources.iter().position(|source| source.unraw() == field.unraw())
    }

    fn position(&self, source: usize, ty: Option<&Type>) -> Option<usize> {
        let same = |other: &ViewField<'_>| {
            ty.is_none_or(|ty| ty.to_token_stream().to_string() == other.ty.to_token_stream().to_string())
        };
        self.uses.iter().position(|it| it.source == source && it.plain.is_none_or(same))
    }

    /// The variable that refers to the value of `field`, for a column of type `ty`.
    fn value(&self, field: &Ident, ty: Option<&Type>) -> Ident {
        let place = self.place(field).and_then(|source| self.position(source, ty));
        local("field", place.unwrap_or_default())
    }

    /// No value is made of the insertion time.
    fn assertions(&self) -> TokenStream {
        let asserted = self.sources.iter().map(|source| {
            let column = column(self.of, source);
            quote_spanned! {located(source.span())=>
                const _: () = ::core::assert!(
                    !#column.is_set_by_write(),
                    "the write sets the insertion time: no view is made of it"
                );
            }
        });
        asserted.collect()
    }

    /// Refers to the constants as `column0` and so on, with the types that plain columns want.
    fn columns(&self) -> TokenStream {
        let columns = self.uses.iter().enumerate().map(|(index, it)| {
            let local = local("column", index);
            let Some(column) = self.sources.get(it.source).map(|source| column(self.of, source)) else {
                return TokenStream::new();
            };
            match it.plain {
                Some(field) => {
                    let ty = field.ty;
                    let column = quote_spanned!(located(field.ident.span())=> &#column);
                    let wanted = quote_spanned!(located(ty.span())=> &_s3store::Column<_, #ty, _>);
                    emit!(let #local: #wanted = #column;)
                }
                None => emit!(let #local = &#column;),
            }
        });
        columns.collect()
    }
}

/// The tuple of a record, and those of a batch: by the same tokens, so that a backfill makes the markers of the writes.
fn tuple(view: &View<'_>, names: &[String], uses: &Uses<'_>) -> TokenStream {
    let body = body(view, names, uses);
    let columns = uses.columns();
    let count = uses.uses.len();
    let locals = |prefix: &str| -> Vec<_> { (0..count).map(|index| local(prefix, index)).collect() };
    let (column_locals, readings, fields) = (locals("column"), locals("reading"), locals("field"));
    let sources = uses.uses.iter().map(|it| it.source);
    emit! {
        fn tuple(
            record: &Self::Record,
            tuple: &mut _s3store::Tuple,
        ) -> ::core::result::Result<::core::primitive::bool, _s3store::ValueError> {
            #columns
            #(let #readings = #column_locals.stored(record);)*
            #(let #fields = #readings.as_ref().unwrap_or(#column_locals.of(record));)*
            #body
        }

        fn tuples(
            columns: &[_s3store::ArrayRef],
            rows: ::core::ops::Range<::core::primitive::usize>,
            take: &mut dyn ::core::ops::FnMut(&_s3store::Tuple),
        ) -> ::core::result::Result<(), _s3store::RowError> {
            #columns
            #(let #readings = #column_locals.reader(columns, #sources)?;)*
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

/// Fills `tuple` from references to fields.
fn body(view: &View<'_>, names: &[String], uses: &Uses<'_>) -> TokenStream {
    // Functions first: where one says that there is no tuple, it is of no interest whether another value has a text.
    let mut made = TokenStream::new();
    let mut pushed = TokenStream::new();
    for (index, (field, name)) in view.fields.iter().zip(names).enumerate() {
        let (ty, at) = (field.ty, located(field.ty.span()));
        let push = quote_spanned!(at=> <#ty as _s3store::ViewColumn>::push);
        let push = if let Some(given) = &field.attrs.with {
            let (path, arguments) = &given.value;
            let arguments = arguments.iter().map(|argument| {
                let mut value = uses.value(argument, None);
                value.set_span(located(argument.span()));
                value
            });
            let call = quote_spanned!(located(path.span())=> #path(#(#arguments),*));
            let value = local("value", index);
            let wanted = quote_spanned!(at=> ::core::option::Option<#ty>);
            made.extend(emit! {
                let #value: #wanted = #call;
                let ::core::option::Option::Some(#value) = #value else {
                    return ::core::result::Result::Ok(false);
                };
            });
            emit!(#push(&#value, text))
        } else if let Some(given) = &field.attrs.format {
            let (value, format) = (uses.value(field.source(), None), &given.value);
            let parts = match parts(&format.value()) {
                Some(Parts::Date) => emit!(_s3store::DateParts),
                Some(Parts::Time) => emit!(_s3store::TimeParts),
                Some(Parts::Both) | None => emit!(_s3store::DateTimeParts),
            };
            let at = located(field.source().span());
            quote_spanned!(at=> _s3store::push_parts::<#parts, _>(#value, #format, text))
        } else {
            let value = uses.value(field.source(), Some(ty));
            emit!(#push(#value, text))
        };
        pushed.extend(emit!(tuple.push(#name, |text| #push)?;));
    }
    emit! {
        #made
        tuple.clear();
        #pushed
        ::core::result::Result::Ok(true)
    }
}

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

fn builder(view: &View<'_>, names: &[String]) -> Builder {
    let mut formats = TokenStream::new();
    let columns: Vec<_> = view
        .fields
        .iter()
        .zip(names)
        .enumerate()
        .map(|(index, (field, name))| {
            let (kind, what) = kind(view, field, index, &mut formats);
            Column { name, span: field.span(), kind, what }
        })
        .collect();
    let doc = format!("Selects tuples of [`{}`].", view.ident);
    Builder::new(view.own_name("Patterns"), &doc, &columns, &formats)
}

/// What selects the values of a column, as a type and in words.
fn kind(view: &View<'_>, field: &ViewField<'_>, index: usize, formats: &mut TokenStream) -> (TokenStream, String) {
    let (ty, at, source) = (field.ty, located(field.ty.span()), field.source());
    let plain = || quote_spanned!(at=> <#ty as _s3store::ViewColumn>::Kind);
    if let Some(given) = &field.attrs.with {
        let (path, fields) = &given.value;
        return (plain(), format!("{}: {ANY}", made_by(path, fields)));
    }
    let Some(given) = &field.attrs.format else { return (plain(), format!("the field `{source}`: {ANY}")) };
    let (ident, format) = (view.own_name(&format!("Part{index}")), &given.value);
    let text = format.value();
    let ordered = keeps_order(as_strftime(&text), look(ty));
    let render = quote_spanned!(at=> <#ty as _s3store::Formatted>::text_in(value, #format));
    formats.extend(rendering(&ident, &emit!(#ty), &render, ordered));
    let kind = quote_spanned!(at=> <#ty as _s3store::Formatted>::Kind<#ident>);
    (kind, format!("the field `{source}` as {text:?}: {}", of_time(ordered)))
}
