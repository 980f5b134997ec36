//! A view.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{DeriveInput, Ident, Type};

use super::shape::{named_fields, no_generics};
use crate::attr::{ViewAttrs, ViewFieldAttrs};
use crate::ctxt::Ctxt;
use crate::names::item_name;

/// A struct with `#[derive(View)]`.
pub(crate) struct View<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) attrs: ViewAttrs,
    pub(crate) fields: Vec<ViewField<'a>>,
    /// Set if an attribute of the struct has a syntax error. Checks for missing attributes are then skipped.
    pub(crate) malformed: bool,
}

/// A field of a view, which is one of its columns.
pub(crate) struct ViewField<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) attrs: ViewFieldAttrs,
}

impl<'a> View<'a> {
    /// Reads the struct. Reports an error and returns `None` if its fields have no names.
    pub(crate) fn read(cx: &Ctxt, input: &'a DeriveInput) -> Option<Self> {
        let attrs = ViewAttrs::read(cx, &input.attrs);
        let malformed = cx.count() > 0;
        no_generics(cx, input, "a view");
        let named = named_fields(cx, input, "a view")?;
        let fields = named.named.iter().filter_map(|field| {
            let attrs = ViewFieldAttrs::read(cx, &field.attrs);
            Some(ViewField { ident: field.ident.as_ref()?, ty: &field.ty, attrs })
        });
        Some(Self { ident: &input.ident, attrs, fields: fields.collect(), malformed })
    }

    /// Returns a name for a generated item. See [`item_name`].
    pub(crate) fn item_name(&self, suffix: &str) -> Ident {
        let mut taken: TokenStream = self.fields.iter().map(|field| field.ty.to_token_stream()).collect();
        taken.extend(self.fields.iter().filter_map(|field| field.attrs.with.as_ref()).map(|given| {
            let (path, _) = &given.value;
            path.to_token_stream()
        }));
        taken.extend(self.attrs.of.as_ref().map(|given| given.value.to_token_stream()));
        item_name(self.ident, suffix, &taken)
    }
}

impl ViewField<'_> {
    /// Returns the column's name in keys.
    pub(crate) fn column(&self) -> String {
        self.attrs.rename.as_ref().map_or_else(|| self.ident.unraw().to_string(), |given| given.value.value())
    }

    /// Returns the position of the column's name.
    pub(crate) fn column_span(&self) -> Span {
        self.attrs.rename.as_ref().map_or_else(|| self.ident.span(), |given| given.value.span())
    }

    /// Returns the field of the record that the value is taken from. Not used if the field has a function, `with`.
    pub(crate) fn record_field(&self) -> &Ident {
        self.attrs.from.as_ref().map_or(self.ident, |given| &given.value)
    }
}
