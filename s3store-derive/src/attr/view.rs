//! The attributes of a view's struct and of its fields.

use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, LitStr, Path};

use super::container::unquoted;
use super::partition::arguments;
use super::{Slot, entries, equals, fill, string, unknown, value_tokens};
use crate::ctxt::Ctxt;
use crate::symbol::{VIEW, VIEW_FIELD};

/// What a view's struct says.
#[derive(Debug, Default)]
pub(crate) struct ViewAttrs {
    /// The record.
    pub(crate) of: Slot<Path>,
    pub(crate) name: Slot<LitStr>,
    pub(crate) krate: Slot<Path>,
}

impl ViewAttrs {
    /// Reads the `#[view(…)]` of a struct.
    pub(crate) fn read(cx: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut this = Self::default();
        entries(cx, attrs, "view", |key, input| this.entry(key, input));
        this
    }

    fn entry(&mut self, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match key.to_string().as_str() {
            "of" => {
                let record = unquoted(key, input, "of = Cost")?;
                fill(&mut self.of, key, record)
            }
            "name" => {
                let name = string(key, input, "name = \"sku_period\"")?;
                fill(&mut self.name, key, name)
            }
            "crate" => {
                let path = unquoted(key, input, "crate = ::s3store")?;
                fill(&mut self.krate, key, path)
            }
            word if VIEW_FIELD.contains(&word) => {
                value_tokens(input);
                let message = format!("`{word}` belongs to a field: write `#[view({word} = …)]` above it");
                Err(syn::Error::new(key.span(), message))
            }
            _ => Err(unknown(key, input, "attribute", VIEW)),
        }
    }
}

/// What a view's field says.
#[derive(Debug, Default)]
pub(crate) struct ViewFieldAttrs {
    /// The field of the record.
    pub(crate) from: Slot<Ident>,
    pub(crate) format: Slot<LitStr>,
    /// A function of fields of the record.
    pub(crate) with: Slot<(Path, Vec<Ident>)>,
    pub(crate) rename: Slot<LitStr>,
}

impl ViewFieldAttrs {
    /// Reads the `#[view(…)]` of a field.
    pub(crate) fn read(cx: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut this = Self::default();
        entries(cx, attrs, "view", |key, input| this.entry(key, input));
        this
    }

    fn entry(&mut self, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match key.to_string().as_str() {
            "from" => {
                let field = from(key, input)?;
                fill(&mut self.from, key, field)
            }
            "format" => {
                let format = string(key, input, "format = \"%Y-%m\"")?;
                fill(&mut self.format, key, format)
            }
            "with" => {
                let call = call(key, input)?;
                fill(&mut self.with, key, call)
            }
            "rename" => {
                let name = string(key, input, "rename = \"…\"")?;
                fill(&mut self.rename, key, name)
            }
            word @ ("of" | "name") => {
                value_tokens(input);
                let message = format!("`{word}` belongs to the struct: `#[view({word} = …)]` above it");
                Err(syn::Error::new(key.span(), message))
            }
            _ => Err(unknown(key, input, "attribute", VIEW_FIELD)),
        }
    }
}

fn from(key: &Ident, input: ParseStream<'_>) -> syn::Result<Ident> {
    const SHAPE: &str = "from = field";
    equals(key, input, SHAPE)?;
    if input.peek(Ident::peek_any) {
        return Ident::parse_any(input);
    }
    let message = format!("expected a field of the record, without quotes: `{SHAPE}`");
    Err(syn::Error::new_spanned(value_tokens(input), message))
}

fn call(key: &Ident, input: ParseStream<'_>) -> syn::Result<(Path, Vec<Ident>)> {
    const SHAPE: &str = "with = function(field)";
    let path = unquoted(key, input, SHAPE)?;
    if !input.peek(syn::token::Paren) {
        value_tokens(input);
        return Err(syn::Error::new_spanned(&path, format!("expected a function of the record's fields: `{SHAPE}`")));
    }
    let fields = arguments(&path, input)?;
    Ok((path, fields))
}
