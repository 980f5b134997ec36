//! A record: its column constants, its description, and its conversion to columns and back.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Ident, Path};

use super::decode::{self, MAX_INLINE_COLUMNS};
use super::rows::{RowField, row_struct};
use super::tokens::{call, item, local, located, node};
use super::{key, partitions};
use crate::attr::PartExpr;
use crate::encoding::{encoding, form};
use crate::model::{Field, Record};
use crate::names::hash;

/// A field that is stored, with its encoding.
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

/// Returns the implementations of `Record` and `RootRecord`.
pub(super) fn record(record: &Record<'_>) -> TokenStream {
    let ident = record.ident;
    let columns: Vec<_> = record.columns().map(column).collect();
    let columns_ident = record.item_name("Columns");
    let (constants, values) = constants(record, &columns, &columns_ident);
    let assertions = assertions(&columns);
    let description = description(record, &columns);
    let decode = decode(record, &columns);
    let encode = encode(&columns);
    let builder = partitions::builder(record);
    let (builder_items, partitions_ident, builder_docs) = (&builder.items, &builder.ident, &builder.docs);
    let partition_key = partitions::partition_key(record);
    let (views, unique_names) = views(record);
    let keyed = key::keyed(record);
    let forms = forms(&columns, &columns_ident);
    let rows = rows(record, &columns);
    emit! {
        #constants
        #builder_items
        #assertions
        #unique_names

        #[automatically_derived]
        impl _s3store::Record for #ident {
            type Root = Self;
            type Columns = #columns_ident;
            const COLUMNS: #columns_ident = #columns_ident { #values };
            type Partitions = #partitions_ident;

            #builder_docs
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

        #keyed
        #forms
        #rows
    }
}

/// Returns the function `views`, and assertions that no two views have the same name.
///
/// A view of another record is a type error at its path. Of two views with the same name, the error is at the second.
fn views(record: &Record<'_>) -> (TokenStream, TokenStream) {
    let paths = record.views();
    if paths.is_empty() {
        return (TokenStream::new(), TokenStream::new());
    }
    let name = |path: &Path| quote_spanned!(located(path.span())=> <#path as _s3store::View>::NAME);
    let unique_names = paths.iter().enumerate().flat_map(|(index, path)| {
        paths.iter().take(index).map(move |other| {
            let (other, name) = (name(other), name(path));
            quote_spanned! {located(path.span())=>
                const _: () = ::core::assert!(_s3store::all_distinct(&[#other, #name]), "two views have the same name");
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
    (views, unique_names.collect())
}

/// Returns a stored field with its encoding.
fn column<'r>(field: &'r Field<'r>) -> Column<'r> {
    Column { field, encoding: encoding(field) }
}

/// Returns the struct that `COLUMNS` is a value of, and the values of its fields.
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
    // Must be `pub` because it is an associated type of a public trait. It cannot be named outside of the block.
    let item = emit! {
        #[doc(hidden)]
        pub struct #columns_ident { #(#fields,)* }
    };
    (item, emit!(#(#values,)*))
}

/// Returns the forms in which the fields are stored, for the rows of projections.
fn forms(columns: &[Column<'_>], columns_ident: &Ident) -> TokenStream {
    let forms = columns.iter().map(|Column { field, encoding }| {
        let (hash, form) = (hash(&field.name), form(field, encoding));
        emit! {
            #[diagnostic::do_not_recommend]
            impl _s3store::FieldForm<#hash> for #columns_ident {
                type Form = #form;
            }
        }
    });
    forms.collect()
}

/// Returns the row of the record.
fn rows(record: &Record<'_>, columns: &[Column<'_>]) -> TokenStream {
    let fields: Vec<_> = columns
        .iter()
        .enumerate()
        .map(|(index, Column { field, encoding })| RowField::of(field, encoding, index))
        .collect();
    row_struct(record.ident, &record.item_name("Row"), &record.item_name("Held"), &fields)
}

/// Returns assertions on the types of the entity and the version, for types that could not be classified.
fn assertions(columns: &[Column<'_>]) -> TokenStream {
    let asserted = columns.iter().filter_map(|Column { field, encoding, .. }| {
        let (ty, attrs) = (field.ty, &field.attrs);
        let entity = attrs.entity.as_ref().map(|_| emit!(_s3store::assert_entity::<#ty, #encoding>();));
        // An insertion time may be an `Option`, because the write fills it in.
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

/// Returns the description of how a part of the partition is made.
fn rendering(record: &Record<'_>, expr: &PartExpr) -> TokenStream {
    let columns = expr.fields().into_iter().filter_map(|ident| record.field(ident)).map(Field::column);
    let form = match expr {
        PartExpr::Field(_) => emit!(Value),
        PartExpr::Format(_, format) => emit!(Format(::std::borrow::Cow::Borrowed(#format))),
        PartExpr::Pad(_, width) => emit!(Pad(#width)),
        PartExpr::Call(..) => emit!(Function),
    };
    // A converted field is not stored as the value that its type renders.
    let is_stored = match expr {
        PartExpr::Field(ident) => record.field(ident).filter(|field| field.attrs.with.is_none()),
        _ => None,
    };
    let is_stored = match is_stored {
        Some(Field { ty, .. }) => {
            quote_spanned!(located(ty.span())=> <#ty as _s3store::PartitionValue>::IS_STORED)
        }
        None => emit!(false),
    };
    emit! {
        _s3store::Rendering {
            columns: _s3store::Names::of(&[#(#columns),*]),
            form: _s3store::RenderingForm::#form,
            is_stored: #is_stored,
        }
    }
}

/// Returns the body of the function `description`.
fn description(record: &Record<'_>, columns: &[Column<'_>]) -> TokenStream {
    let name = record.ident.unraw().to_string();
    let nodes = columns.iter().map(|Column { field, encoding, .. }| {
        let node = node(field, encoding);
        let node = match role(record, field) {
            Some(role) => emit!(#node.with_role(_s3store::Role::#role)),
            None => node,
        };
        match field.attrs.version {
            Some(_) if field.attrs.inserted_at.is_some() => {
                let ty = field.ty;
                emit!(<#ty as _s3store::InsertionTime<#encoding>>::never_null(#node))
            }
            _ => node,
        }
    });
    let parts = record.parts().iter().map(|part| &part.name);
    let rendering = record.parts().iter().map(|part| rendering(record, &part.expr));
    let position = |wanted: fn(&Field<'_>) -> bool| columns.iter().position(|column| wanted(column.field));
    let entity = columns.iter().enumerate().filter(|(_, column)| column.field.attrs.entity.is_some());
    let entity: Vec<_> = entity.map(|(index, _)| index).collect();
    let key = match position(|field| field.attrs.version.is_some()) {
        Some(version) => {
            emit!(::core::option::Option::Some(_s3store::Key { entity: ::std::vec![#(#entity),*], version: #version }))
        }
        None => emit!(::core::option::Option::None),
    };
    let optional = |index| match index {
        Some(index) => emit!(::core::option::Option::Some(#index)),
        None => emit!(::core::option::Option::None),
    };
    let inserted_at = optional(position(|field| field.attrs.inserted_at.is_some()));
    let deleted = optional(position(|field| field.attrs.deleted.is_some()));
    emit! {
        static DESCRIPTION: ::std::sync::OnceLock<_s3store::Description> = ::std::sync::OnceLock::new();
        DESCRIPTION.get_or_init(|| _s3store::Description {
            record: ::std::borrow::Cow::Borrowed(#name),
            columns: _s3store::call_each(&[#(|| #nodes),*]),
            partition: _s3store::Names::of(&[#(#parts),*]),
            rendering: ::std::vec![#(#rendering),*],
            key: #key,
            inserted_at: #inserted_at,
            deleted: #deleted,
        })
    }
}

/// Returns the part that a column plays in its record. Returns `None` for a plain value.
fn role(record: &Record<'_>, field: &Field<'_>) -> Option<TokenStream> {
    let in_partition = || record.parts().iter().flat_map(|part| part.expr.fields()).any(|ident| field.is(ident));
    if field.attrs.entity.is_some() {
        Some(emit!(Entity))
    } else if field.attrs.version.is_some() {
        Some(emit!(Version))
    } else if in_partition() {
        Some(emit!(Partition))
    } else {
        None
    }
}

/// Returns the function `decode`.
fn decode(record: &Record<'_>, columns: &[Column<'_>]) -> TokenStream {
    let mut open = TokenStream::new();
    let mut values = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let (name, reader, reader_fn) = (column.field.column(), local("column", index), column.item("reader"));
        open.extend(emit!(let #reader = _s3store::open_reader(#reader_fn, columns, #index, #name)?;));
        let value = if columns.len() <= MAX_INLINE_COLUMNS {
            let get = column.call("get", &emit!(&#reader, row));
            emit!(_s3store::in_row(#get, #name, row)?)
        } else {
            let get = column.item("get");
            emit!(_s3store::read_outlined(#get, &#reader, row, #name)?)
        };
        values.push((column.field, value));
    }
    decode::decode(record, &open, &values)
}

/// Returns the function `encode`.
fn encode(columns: &[Column<'_>]) -> TokenStream {
    let collector = if columns.len() <= MAX_INLINE_COLUMNS { "collector" } else { "collector_outlined" };
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
