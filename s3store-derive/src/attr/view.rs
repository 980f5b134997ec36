//! The attributes of a view's struct and of its fields.

use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, LitStr, Path};

use super::keywords::{VIEW, VIEW_FIELD};
use super::parse::{arguments, entries, equals, misplaced, path, string, tokens_to_comma, unknown_attribute};
use super::slot::{Slot, fill};
use crate::ctxt::Ctxt;

/// The attributes of a struct with `#[derive(View)]`.
#[derive(Default)]
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
                let record = path(key, input, "of = Cost")?;
                fill(&mut self.of, key, record)
            }
            "name" => {
                let name = string(key, input, "name = \"sku_period\"")?;
                fill(&mut self.name, key, name)
            }
            "crate" => {
                let krate = path(key, input, "crate = ::s3store")?;
                fill(&mut self.krate, key, krate)
            }
            word if VIEW_FIELD.contains(&word) => {
                Err(misplaced(key, input, "a field", &format!("#[view({word} = …)]")))
            }
            _ => Err(unknown_attribute(key, input, VIEW)),
        }
    }
}

/// The attributes of a view's field.
#[derive(Default)]
pub(crate) struct ViewFieldAttrs {
    /// The field of the record.
    pub(crate) from: Slot<Ident>,
    pub(crate) format: Slot<LitStr>,
    /// A function and its arguments, which are fields of the record.
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
                let call = with(key, input)?;
                fill(&mut self.with, key, call)
            }
            "rename" => {
                let name = string(key, input, "rename = \"…\"")?;
                fill(&mut self.rename, key, name)
            }
            word @ ("of" | "name") => Err(misplaced(key, input, "the struct", &format!("#[view({word} = …)]"))),
            _ => Err(unknown_attribute(key, input, VIEW_FIELD)),
        }
    }
}

/// Reads `= field`.
fn from(key: &Ident, input: ParseStream<'_>) -> syn::Result<Ident> {
    const FORM: &str = "from = field";
    equals(key, input, FORM)?;
    if input.peek(Ident::peek_any) {
        return Ident::parse_any(input);
    }
    let message = format!("expected a field of the record, without quotes: `{FORM}`");
    Err(syn::Error::new_spanned(tokens_to_comma(input), message))
}

/// Reads `= function(field, field)`.
fn with(key: &Ident, input: ParseStream<'_>) -> syn::Result<(Path, Vec<Ident>)> {
    const FORM: &str = "with = function(field)";
    let function = path(key, input, FORM)?;
    if !input.peek(syn::token::Paren) {
        tokens_to_comma(input);
        let message = format!("expected a call with fields of the record: `{FORM}`");
        return Err(syn::Error::new_spanned(&function, message));
    }
    let fields = arguments(&function, input)?;
    Ok((function, fields))
}
