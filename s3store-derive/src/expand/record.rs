//! A record that is written: its columns, its description, rows to arrays and back.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::Ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::{call, default, encoding, item, local, located, node, partitions};
use crate::model::{Field, Record};

/// A field that is a column, with its encoding.
struct Column<'r> {
    field: &'r Field<'r>,
    encoding: TokenStream,
}

impl Column<'_> {
    fn call(&self, function: &str, arguments: &TokenStream) -> TokenStream {
        call(self.field, &self.encoding, function, arguments)
    }

    /// A call whose error names the column and the `row`.
    fn try_call(&self, function: &str, arguments: &TokenStream, row: &TokenStream) -> TokenStream {
        let (call, name) = (self.call(function, arguments), self.field.column());
        emit!(_s3store::in_row(#call, #name, #row)?)
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
    emit! {
        #constants
        #builder_items
        #assertions

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
        }
    }
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
        emit!(#ident: _s3store::Column::new(#name))
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
        let entity = attrs.entity.as_ref().map(|_| emit!(_s3store::entity::<#ty, #encoding>();));
        // As insertion time it may be an `Option`, which is filled in by the write.
        let version = attrs.version.as_ref().filter(|_| attrs.inserted_at.is_none());
        let version = version.map(|_| emit!(_s3store::version::<#ty, #encoding>();));
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
            columns: ::std::vec![#(#nodes,)*],
            partition: &[#(#parts),*],
            key: #key,
            inserted_at: #inserted_at,
        })
    }
}

fn decode(record: &Record<'_>, columns: &[Column<'_>]) -> TokenStream {
    let readers: Vec<_> = (0..columns.len()).map(|index| local("column", index)).collect();
    let opened = columns.iter().zip(&readers).enumerate().map(|(index, (column, reader))| {
        let name = column.field.column();
        let open = item(column.field, &column.encoding, "reader");
        emit!(let #reader = _s3store::open(#open, columns, #index, #name)?;)
    });
    let read = columns.iter().zip(&readers).map(|(column, reader)| {
        let ident = column.field.ident;
        let read = column.try_call("get", &emit!(&#reader, row), &emit!(row));
        emit!(#ident: #read)
    });
    let skipped = skipped(record);
    decode_fn(&emit!(#(#opened)*), &emit!(#(#read,)* #skipped))
}

/// The function around readers that are opened once, and fields that are read for each row.
pub(super) fn decode_fn(opened: &TokenStream, read: &TokenStream) -> TokenStream {
    emit! {
        fn decode(
            columns: &[_s3store::ArrayRef],
            rows: ::core::ops::Range<::core::primitive::usize>,
            out: &mut ::std::vec::Vec<Self>,
        ) -> ::core::result::Result<(), _s3store::RowError> {
            #opened
            out.reserve(rows.len());
            for row in rows {
                out.push(Self { #read });
            }
            ::core::result::Result::Ok(())
        }
    }
}

/// The values of the fields that are not stored.
pub(super) fn skipped(record: &Record<'_>) -> TokenStream {
    let skipped = record.fields.iter().filter(|field| !field.is_column());
    skipped
        .map(|field| {
            let (ident, value) = (field.ident, default(field));
            emit!(#ident: #value,)
        })
        .collect()
}

fn encode(columns: &[Column<'_>]) -> TokenStream {
    let written: Vec<_> = columns.iter().filter(|column| column.field.attrs.inserted_at.is_none()).collect();
    let sizes: Vec<_> = (0..written.len()).map(|index| local("size", index)).collect();
    let builders: Vec<_> = (0..written.len()).map(|index| local("column", index)).collect();
    let locals = || written.iter().zip(sizes.iter().zip(&builders));
    let here = |column: &Column<'_>, local: &Ident| {
        let mut local = local.clone();
        local.set_span(located(column.field.ty.span()));
        local
    };
    let measure = locals().map(|(column, (size, _))| {
        let (ident, size) = (column.field.ident, here(column, size));
        let size = quote_spanned!(size.span()=> &mut #size);
        column.call("measure", &emit!(&record.#ident, #size))
    });
    let builder = locals().map(|(column, (size, _))| {
        let size = here(column, size);
        let size = quote_spanned!(size.span()=> &#size);
        column.call("builder", &emit!(count, #size))
    });
    let push = locals().map(|(column, (_, builder))| {
        let ident = column.field.ident;
        column.try_call("push", &emit!(&record.#ident, &mut #builder), &emit!(row))
    });
    let mut ready = locals().map(|(column, (_, builder))| column.try_call("finish", &emit!(#builder), &emit!(0)));
    let arrays = columns.iter().map(|Column { field, encoding }| {
        let (ty, name) = (field.ty, field.column());
        match &field.attrs.inserted_at {
            Some(_) => {
                let (at, micros, count) = (located(ty.span()), emit!(inserted_at), emit!(count));
                quote_spanned! {at=> <#ty as _s3store::InsertionTime<#encoding>>::constant(#micros, #count, #name)? }
            }
            None => ready.next().unwrap_or_default(),
        }
    });
    let arrays: Vec<_> = arrays.collect();
    emit! {
        fn encode<'a, I>(
            rows: I,
            inserted_at: ::core::primitive::i64,
        ) -> ::core::result::Result<::std::vec::Vec<_s3store::ArrayRef>, _s3store::RowError>
        where
            I: ::core::iter::ExactSizeIterator<Item = &'a Self> + ::core::clone::Clone,
        {
            let count = rows.len();
            #(let mut #sizes = ::core::default::Default::default();)*
            for record in rows.clone() {
                #(#measure;)*
            }
            #(let mut #builders = #builder;)*
            for (row, record) in rows.enumerate() {
                #(#push;)*
            }
            ::core::result::Result::Ok(::std::vec![#(#arrays,)*])
        }
    }
}
