//! The entity and the version of a record as values.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::spanned::Spanned;

use super::partitions;
use super::tokens::{call, local, located};
use crate::encoding::encoding;
use crate::model::{Field, Record};

/// Returns the implementation of `Keyed`, and the function that makes an entity of its values. Empty for a record without
/// an entity.
pub(super) fn keyed(record: &Record<'_>) -> TokenStream {
    let entity: Vec<_> = record.columns().filter(|field| field.attrs.entity.is_some()).collect();
    let Some(version) = record.columns().find(|field| field.attrs.version.is_some()) else {
        return TokenStream::new();
    };
    let (ident, vis) = (record.ident, record.vis);
    let values: Vec<_> = (0..entity.len()).map(|index| local("value", index)).collect();
    let types: Vec<_> = entity.iter().map(|field| field.ty).collect();
    let names: Vec<_> = entity.iter().map(|field| field.ident).collect();
    let parts = entity.iter().zip(&values).map(|(field, value)| part(field, &emit!(#value)));
    // The function's arguments are references, so that a place is a dereferenced argument.
    let place = |field: &Field<'_>| {
        let index = entity.iter().position(|other| other.name == field.name).unwrap_or_default();
        let value = local("value", index);
        emit!(*#value)
    };
    let partition = partitions::rendered_key(record, place, |field| field.attrs.entity.is_some());
    let version_name = version.ident;
    let version = part(version, &emit!(&self.#version_name));
    let is_deleted = record.columns().find(|field| field.attrs.deleted.is_some()).map(|field| {
        let (name, ty) = (field.ident, field.ty);
        let is_deleted = quote_spanned!(located(ty.span())=> <#ty as _s3store::DeletionMark>::is_deleted);
        emit! {
            fn is_deleted(&self) -> ::core::primitive::bool {
                #is_deleted(&self.#name)
            }
        }
    });
    let make = record.item_name("EntityOf");
    let docs = format!("Returns the entity of [`{ident}`] that has these values, without a record.");
    emit! {
        // The types may be private, and the names are the user's.
        #[allow(non_snake_case, clippy::too_many_arguments, clippy::ptr_arg)]
        fn #make(
            #(#values: &#types),*
        ) -> ::core::result::Result<_s3store::Entity<#ident>, _s3store::ValueError> {
            let mut partition = ::std::string::String::new();
            let key = &mut partition;
            #partition
            ::core::result::Result::Ok(_s3store::Entity::new(::std::vec![#(#parts),*], partition))
        }

        #[automatically_derived]
        impl _s3store::Keyed for #ident {
            fn entity(&self) -> _s3store::Result<_s3store::Entity<Self>> {
                #make(#(&self.#names),*).map_err(|error| _s3store::key_error::<Self>(&error))
            }

            fn version(&self) -> _s3store::Result<_s3store::Version<Self>> {
                let version = || ::core::result::Result::Ok(_s3store::Version::new(#version));
                version().map_err(|error: _s3store::ValueError| _s3store::key_error::<Self>(&error))
            }

            #is_deleted
        }

        #[automatically_derived]
        #[allow(dead_code, private_bounds, clippy::too_many_arguments, clippy::impl_trait_in_params)]
        impl #ident {
            #[doc = #docs]
            ///
            /// # Errors
            /// A value does not fit its column.
            #vis fn entity_of(
                #(#names: impl ::core::convert::Into<#types>),*
            ) -> _s3store::Result<_s3store::Entity<Self>> {
                #make(#(&::core::convert::Into::into(#names)),*)
                    .map_err(|error| _s3store::key_error::<Self>(&error))
            }
        }
    }
}

/// Returns an expression for the value of a field as a part of a key. `value` is a reference to it.
fn part(field: &Field<'_>, value: &TokenStream) -> TokenStream {
    let (name, encoding) = (field.column(), encoding(field));
    let part = match field.attrs.inserted_at {
        Some(_) => {
            let ty = field.ty;
            quote_spanned!(located(ty.span())=> <#ty as _s3store::InsertionTime<#encoding>>::read_key_part(#value))
        }
        None => call(field, &encoding, "key_part", value),
    };
    emit!(_s3store::in_column(#part, #name)?)
}
