//! A field of a record or of a nested struct.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::{FieldsNamed, Ident, Type, Visibility};

use crate::attr::FieldAttrs;
use crate::ctxt::Ctxt;

/// A field of a record, a nested struct or a newtype.
pub(crate) struct Field<'a> {
    pub(crate) ident: &'a Ident,
    /// The field's name without `r#`.
    pub(crate) name: String,
    pub(crate) vis: &'a Visibility,
    pub(crate) ty: &'a Type,
    pub(crate) attrs: FieldAttrs,
    /// The column's name by the struct's `rename_all`, which the field's own `rename` overrides.
    pub(crate) name_by_rule: Option<String>,
}

impl<'a> Field<'a> {
    /// Reads the named fields of a struct. `attr` is `record` or `column`.
    pub(crate) fn read_all(cx: &Ctxt, fields: &'a FieldsNamed, attr: &str) -> Vec<Self> {
        let named = fields.named.iter();
        named
            .filter_map(|field| {
                let ident = field.ident.as_ref()?;
                let attrs = FieldAttrs::read(cx, &field.attrs, attr);
                let name = ident.unraw().to_string();
                Some(Self { ident, name, vis: &field.vis, ty: &field.ty, attrs, name_by_rule: None })
            })
            .collect()
    }

    /// Returns `true` if `ident` names this field.
    pub(crate) fn is(&self, ident: &Ident) -> bool {
        ident.unraw() == self.name
    }

    /// Returns `true` if the field is stored.
    pub(crate) fn is_column(&self) -> bool {
        self.attrs.skip.is_none()
    }

    /// Returns the column's name.
    pub(crate) fn column(&self) -> String {
        match &self.attrs.rename {
            Some(given) => given.value.value(),
            None => self.name_by_rule.clone().unwrap_or_else(|| self.name.clone()),
        }
    }

    /// Returns the position of the column's name.
    pub(crate) fn column_span(&self) -> Span {
        self.attrs.rename.as_ref().map_or_else(|| self.ident.span(), |given| given.value.span())
    }

    /// Returns the precision and the scale of a `Decimal`, if they are given and valid integers.
    pub(crate) fn precision_and_scale(&self) -> Option<(u8, u8)> {
        let (precision, scale) = &self.attrs.decimal.as_ref()?.value;
        Some((precision.base10_parse().ok()?, scale.base10_parse().ok()?))
    }
}
