//! A record that is written: its columns, its description, rows to arrays and back.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, Path};

use super::{call, default, encoding, item, local, located, node, partitions};
use crate::model::{Field, Record};

/// A field that is a column, with its encoding.
struct Column<'r> {
    field: &'r Field<'r>,
    encoding: TokenStream,
}

impl Column<'_> {
    fn item(&self, name: &str) -> TokenStream {
        item(self.field, &self.encoding, name)
    }

    fn call(&self, function: &str, arguments: &TokenStream) -> TokenStream {
        call(self.field, &self.encoding, function, arguments)
    }
}

/// The implementations of a record.
pub(super) fn items(record: &Record<'_>) -> TokenStream {
    let ident = record.ident;
    let columns: Vec<_> = record.columns().map(column).collect();
    let columns_ident = record.own_name("Columns");
    let (constants, values) = constants(record, &columns, &columns_ident);
    let assertions = assertions(&columns);
    let description = description(record, &columns);
    let decode = decode(record, &columns);
    let encode = encode(&columns);
    let builder = partitions::builder(record);
    let (builder_items, partitions_ident) = (&builder.items, &builder.ident);
    let partition_key = partitions::partition_key(record);
    let (views, distinct) = views(record);
    emit! {
        #constants
        #builder_items
        #assertions
        #distinct

        #[automatically_derived]
        impl _s3store::Record for #ident {
            type Root = Self;
            type Columns = #columns_ident;
            const COLUMNS: #columns_ident = #columns_ident { #values };
            type Partitions = #partitions_ident;

            fn partitions() -> #partitions_ident {
                #partitions_ident::all()
            }

            fn description() -> &'static _s3store::Description {
                #description
            }

            #decode
        }

        #[automatically_derived]
        impl _s3store::RootRecord for #ident {
            #encode
            #partition_key
            #views
        }
    }
}

/// The views that every writer keeps. One of another record is a mismatch at its word; two of one name are an error at
/// the later word.
fn views(record: &Record<'_>) -> (TokenStream, TokenStream) {
    let paths = record.views();
    if paths.is_empty() {
        return (TokenStream::new(), TokenStream::new());
    }
    let name = |path: &Path| quote_spanned!(located(path.span())=> <#path as _s3store::View>::NAME);
    let distinct = paths.iter().enumerate().flat_map(|(index, path)| {
        paths.iter().take(index).map(move |before| {
            let (before, name) = (name(before), name(path));
            quote_spanned! {located(path.span())=>
                const _: () = ::core::assert!(_s3store::all_distinct(&[#before, #name]), "two views of one name");
            }
        })
    });
    let writers =
        paths.iter().map(|path| quote_spanned!(located(path.span())=> _s3store::ViewWriter::<Self>::of::<#path>()));
    let views = emit! {
        fn views() -> ::std::vec::Vec<_s3store::ViewWriter<Self>> {
            ::std::vec![#(#writers),*]
        }
    };
    (views, distinct.collect())
}

fn column<'r>(field: &'r Field<'r>) -> Column<'r> {
    Column { field, encoding: encoding(field) }
}

/// The struct behind `COLUMNS`, and its values.
fn constants(record: &Record<'_>, columns: &[Column<'_>], columns_ident: &Ident) -> (TokenStream, TokenStream) {
    let ident = record.ident;
    let fields = columns.iter().map(|Column { field, encoding, .. }| {
        let (name, ty) = (field.ident, field.ty);
        emit!(pub #name: _s3store::Column<#ident, #ty, #encoding>)
    });
    let values = columns.iter().map(|Column { field, .. }| {
        let (ident, name) = (field.ident, field.column());
        let make = match field.attrs.inserted_at {
            Some(_) => emit!(inserted_at),
            None => emit!(new),
        };
        emit!(#ident: _s3store::Column::#make(#name, |record| &record.#ident))
    });
    // `pub`, since it stands in the implementation of a public trait; outside nothing can name it.
    let item = emit! {
        #[doc(hidden)]
        pub struct #columns_ident { #(#fields,)* }
    };
    (item, emit!(#(#values,)*))
}

/// What the looks of a type could not tell.
fn assertions(columns: &[Column<'_>]) -> TokenStream {
    let asserted = columns.iter().filter_map(|Column { field, encoding, .. }| {
        let (ty, attrs) = (field.ty, &field.attrs);
        let entity = attrs.entity.as_ref().map(|_| emit!(_s3store::assert_entity::<#ty, #encoding>();));
        // As insertion time it may be an `Option`, which is filled in by the write.
        let version = attrs.version.as_ref().filter(|_| attrs.inserted_at.is_none());
        let version = version.map(|_| emit!(_s3store::assert_version::<#ty, #encoding>();));
        (entity.is_some() || version.is_some()).then(|| emit!(#entity #version))
    });
    let asserted: TokenStream = asserted.collect();
    if asserted.is_empty() {
        return asserted;
    }
    emit!(const _: () = { #asserted };)
}

fn description(record: &Record<'_>, columns: &[Column<'_>]) -> TokenStream {
    let name = record.ident.unraw().to_string();
    let nodes = columns.iter().map(|Column { field, encoding, .. }| {
        let node = node(field, encoding);
        match field.attrs.version {
            Some(_) if field.attrs.inserted_at.is_some() => {
                let ty = field.ty;
                emit!(<#ty as _s3store::InsertionTime<#encoding>>::never_null(#node))
            }
            _ => node,
        }
    });
    let parts = partitions::names(record);
    let position = |wanted: fn(&Field<'_>) -> bool| columns.iter().position(|column| wanted(column.field));
    let entity = columns.iter().enumerate().filter(|(_, column)| column.field.attrs.entity.is_some());
    let entity: Vec<_> = entity.map(|(index, _)| index).collect();
    let key = match position(|field| field.attrs.version.is_some()) {
        Some(version) => {
            emit!(::core::option::Option::Some(_s3store::Key { entity: ::std::vec![#(#entity),*], version: #version }))
        }
        None => emit!(::core::option::Option::None),
    };
    let inserted_at = match position(|field| field.attrs.inserted_at.is_some()) {
        Some(index) => emit!(::core::option::Option::Some(#index)),
        None => emit!(::core::option::Option::None),
    };
    emit! {
        static DESCRIPTION: ::std::sync::OnceLock<_s3store::Description> = ::std::sync::OnceLock::new();
        DESCRIPTION.get_or_init(|| _s3store::Description {
            record: #name,
            columns: _s3store::call_each(&[#(|| #nodes),*]),
            partition: &[#(#parts),*],
            key: #key,
            inserted_at: #inserted_at,
        })
    }
}

fn decode(record: &Record<'_>, columns: &[Column<'_>]) -> TokenStream {
    let mut opened = TokenStream::new();
    let mut values = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let (name, reader, open) = (column.field.column(), local("column", index), column.item("reader"));
        opened.extend(emit!(let #reader = _s3store::open_reader(#open, columns, #index, #name)?;));
        let value = if columns.len() <= WIDE {
            let get = column.call("get", &emit!(&#reader, row));
            emit!(_s3store::in_row(#get, #name, row)?)
        } else {
            let get = column.item("get");
            emit!(_s3store::read_outlined(#get, &#reader, row, #name)?)
        };
        values.push((column.field, value));
    }
    decode_fn(record, &opened, &values)
}

/// With more columns than this a record is wide: its values are read and written by functions that are compiled once a
/// type, and not all in one place, which takes the compiler minutes for 200 columns.
const WIDE: usize = 32;

/// How many columns of a wide record are read in one function.
const READ_TOGETHER: usize = 16;

/// The function around readers that are opened once, and `values` that are read for each row.
pub(super) fn decode_fn(
    record: &Record<'_>,
    opened: &TokenStream,
    values: &[(&Field<'_>, TokenStream)],
) -> TokenStream {
    let skipped = skipped(record);
    let row = if values.len() <= WIDE {
        let fields = values.iter().map(|(field, value)| {
            let ident = field.ident;
            emit!(#ident: #value)
        });
        emit!(Self { #(#fields,)* #skipped })
    } else {
        let groups = values.chunks(READ_TOGETHER).enumerate().map(|(number, group)| {
            let locals: Vec<_> = (0..group.len()).map(|at| local("value", number * READ_TOGETHER + at)).collect();
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
            #opened
            out.reserve(rows.len());
            for row in rows {
                out.push(#row);
            }
            ::core::result::Result::Ok(())
        }
    }
}

/// The values of the fields that are not stored.
fn skipped(record: &Record<'_>) -> TokenStream {
    let skipped = record.fields.iter().filter(|field| !field.is_column());
    skipped
        .map(|field| {
            let (ident, value) = (field.ident, default(field));
            emit!(#ident: #value,)
        })
        .collect()
}

fn encode(columns: &[Column<'_>]) -> TokenStream {
    let collector = if columns.len() <= WIDE { "collector" } else { "collector_outlined" };
    let collected = columns.iter().map(|column| {
        let (ident, name) = (column.field.ident, column.field.column());
        match column.field.attrs.inserted_at {
            Some(_) => emit!(_s3store::placeholder),
            None => {
                let collector = column.call(collector, &emit!(#name, |record: &Self| &record.#ident));
                emit!(|| #collector)
            }
        }
    });
    let filled = columns.iter().enumerate().find(|(_, column)| column.field.attrs.inserted_at.is_some());
    let filled = filled.map(|(index, Column { field, encoding })| {
        let (ty, at, name) = (field.ty, located(field.ty.span()), field.column());
        let time = quote_spanned!(at=> <#ty as _s3store::InsertionTime<#encoding>>);
        emit!(columns[#index] = #time::constant(inserted_at, count, #name)?;)
    });
    let (count, mutable) = match &filled {
        Some(_) => (Some(emit!(let count = rows.len();)), Some(emit!(mut))),
        None => (None, None),
    };
    emit! {
        fn encode<'a, I>(
            rows: I,
            inserted_at: ::core::primitive::i64,
            only: ::core::option::Option<&_s3store::Key>,
        ) -> ::core::result::Result<::std::vec::Vec<_s3store::ArrayRef>, _s3store::RowError>
        where
            I: ::core::iter::ExactSizeIterator<Item = &'a Self> + ::core::clone::Clone,
        {
            #count
            let #mutable columns = _s3store::encode_columns(rows, _s3store::collectors(&[#(#collected),*], only))?;
            #filled
            ::core::result::Result::Ok(columns)
        }
    }
}
