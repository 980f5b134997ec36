//! A nested struct, a newtype or an enum.

use syn::ext::IdentExt;
use syn::{Data, DataStruct, DeriveInput, Expr, Fields, Ident, Type};

use super::field::Field;
use crate::attr::{ColumnAttrs, FieldAttrs, VariantAttrs};
use crate::ctxt::Ctxt;

/// A struct or enum with `#[derive(ColumnType)]`.
pub(crate) enum ColumnItem<'a> {
    /// A struct with named fields.
    Nested(Vec<Field<'a>>),
    /// A struct that wraps one value.
    Newtype(Box<Field<'a>>),
    /// An enum.
    Enum(Vec<Variant<'a>>),
}

/// A variant of an enum.
pub(crate) struct Variant<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) fields: &'a Fields,
    /// The expression after `=`.
    pub(crate) discriminant: Option<&'a Expr>,
    pub(crate) attrs: VariantAttrs,
    /// The text that it is stored as, if the enum is stored as text.
    pub(crate) text: String,
}

impl<'a> ColumnItem<'a> {
    /// Reads the struct or enum. Reports an error and returns `None` if it cannot be a column.
    pub(crate) fn read(cx: &Ctxt, input: &'a DeriveInput, attrs: &ColumnAttrs) -> Option<Self> {
        match &input.data {
            Data::Struct(data) => Self::read_struct(cx, &input.ident, data, attrs),
            Data::Enum(data) => {
                let variants = data.variants.iter().map(|variant| Variant::read(cx, variant, attrs));
                Some(Self::Enum(variants.collect()))
            }
            Data::Union(data) => {
                cx.error(data.union_token, "a column type must be a struct or an enum, not a union");
                None
            }
        }
    }

    fn read_struct(cx: &Ctxt, ident: &'a Ident, data: &'a DataStruct, attrs: &ColumnAttrs) -> Option<Self> {
        match &data.fields {
            Fields::Named(named) => {
                let mut fields = Field::read_all(cx, named, "column");
                for field in &mut fields {
                    field.name_by_rule = attrs.rename_all.as_ref().map(|rule| rule.value.apply(&field.name));
                }
                Some(Self::Nested(fields))
            }
            Fields::Unnamed(unnamed) => {
                let mut fields = unnamed.unnamed.iter();
                let (Some(field), None) = (fields.next(), fields.next()) else {
                    cx.error(unnamed, "a tuple struct must have exactly one field: name the fields to store several");
                    return None;
                };
                let attrs = FieldAttrs::read(cx, &field.attrs, "column");
                Some(Self::Newtype(Box::new(Field {
                    ident,
                    name: "0".to_owned(),
                    vis: &field.vis,
                    ty: &field.ty,
                    attrs,
                    name_by_rule: None,
                })))
            }
            Fields::Unit => {
                cx.error(ident, "a struct without fields has no value to store");
                None
            }
        }
    }
}

impl<'a> Variant<'a> {
    fn read(cx: &Ctxt, variant: &'a syn::Variant, enum_attrs: &ColumnAttrs) -> Self {
        let attrs = VariantAttrs::read(cx, &variant.attrs);
        let name = variant.ident.unraw().to_string();
        let text = match (&attrs.rename, &enum_attrs.rename_all) {
            (Some(rename), _) => rename.value.value(),
            (None, Some(rule)) => rule.value.apply(&name),
            (None, None) => name,
        };
        let discriminant = variant.discriminant.as_ref().map(|(_, expr)| expr);
        Self { ident: &variant.ident, fields: &variant.fields, discriminant, attrs, text }
    }

    /// Returns `true` if the variant stands for all values that belong to no variant.
    pub(crate) fn is_other(&self) -> bool {
        self.attrs.other.is_some()
    }

    /// Returns the type of the value that the variant holds, if it holds one.
    pub(crate) fn held(&self) -> Option<&'a Type> {
        match self.fields {
            Fields::Unnamed(fields) => fields.unnamed.first().map(|field| &field.ty),
            Fields::Named(_) | Fields::Unit => None,
        }
    }
}
