//! A record or a projection.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{DeriveInput, Ident, Path, Visibility};

use super::field::Field;
use super::shape::{named_fields, no_generics};
use crate::attr::{PartAttr, PartExpr, RecordAttrs};
use crate::ctxt::Ctxt;
use crate::names::item_name;

/// A struct with `#[derive(Record)]`.
pub(crate) struct Record<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) vis: &'a Visibility,
    pub(crate) attrs: RecordAttrs,
    pub(crate) fields: Vec<Field<'a>>,
    /// Set if an attribute of the struct has a syntax error. Checks for missing attributes are then skipped.
    pub(crate) malformed: bool,
    /// Set if an attribute of a field has a syntax error.
    pub(crate) malformed_field: bool,
}

impl<'a> Record<'a> {
    /// Reads the struct. Reports an error and returns `None` if its fields have no names.
    pub(crate) fn read(cx: &Ctxt, input: &'a DeriveInput) -> Option<Self> {
        let attrs = RecordAttrs::read(cx, &input.attrs);
        let malformed = cx.count() > 0;
        no_generics(cx, input, "a record");
        let before = cx.count();
        let fields = Field::read_all(cx, named_fields(cx, input, "a record")?, "record");
        Some(Self {
            ident: &input.ident,
            vis: &input.vis,
            attrs,
            fields,
            malformed,
            malformed_field: cx.count() > before,
        })
    }

    /// Returns the fields that are columns, in order.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(|field| field.is_column())
    }

    /// Returns the field of this name.
    pub(crate) fn field(&self, ident: &Ident) -> Option<&Field<'a>> {
        self.fields.iter().find(|field| field.is(ident))
    }

    /// Returns the parts of the partition, in order.
    pub(crate) fn parts(&self) -> &[PartAttr] {
        self.attrs.partition_by.as_ref().map_or(&[], |given| &given.value)
    }

    /// Returns the views that writers of the record keep.
    pub(crate) fn views(&self) -> &[Path] {
        self.attrs.views.as_ref().map_or(&[], |given| &given.value)
    }

    /// Returns the record that this is a projection of, if it is a projection.
    pub(crate) fn root(&self) -> Option<&Path> {
        self.attrs.projection_of.as_ref().map(|given| &given.value)
    }

    /// Returns a name for a generated item. See [`item_name`].
    pub(crate) fn item_name(&self, suffix: &str) -> Ident {
        let mut taken: TokenStream = self.fields.iter().map(|field| field.ty.to_token_stream()).collect();
        taken.extend(self.parts().iter().filter_map(|part| match &part.expr {
            PartExpr::Call(path, _) => Some(path.to_token_stream()),
            _ => None,
        }));
        taken.extend(self.views().iter().map(ToTokens::to_token_stream));
        item_name(self.ident, suffix, &taken)
    }
}
