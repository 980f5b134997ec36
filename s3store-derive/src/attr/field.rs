//! The attributes of a field, the same for records and nested structs but for its part in the key.

use syn::parse::ParseStream;
use syn::{Attribute, Expr, Ident, LitInt, LitStr, Path, Token};

use super::{Slot, entries, equals, fill, flag, misshapen, parenthesized, string, unknown, value_tokens};
use crate::ctxt::Ctxt;
use crate::symbol::{COLUMN_FIELD, RECORD_FIELD, UNITS};
use crate::words::suggestion;

/// What a field says.
#[derive(Debug, Default)]
pub(crate) struct FieldAttrs {
    pub(crate) entity: Slot<()>,
    pub(crate) version: Slot<()>,
    pub(crate) inserted_at: Slot<()>,
    pub(crate) timestamp: Slot<Unit>,
    pub(crate) exact: Slot<()>,
    pub(crate) decimal: Slot<(LitInt, LitInt)>,
    pub(crate) rename: Slot<LitStr>,
    pub(crate) alias: Vec<LitStr>,
    pub(crate) default: Slot<DefaultAttr>,
    pub(crate) skip: Slot<()>,
    pub(crate) with: Slot<Path>,
    /// Something here could not be read, so nothing is said about what seems to lack.
    pub(crate) unread: bool,
}

/// What a missing value becomes.
#[derive(Debug)]
pub(crate) enum DefaultAttr {
    /// The type's `Default`.
    Type,
    /// An expression.
    Value(Box<Expr>),
}

/// The unit of a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl FieldAttrs {
    /// Reads the `#[name(…)]` of a field, where `name` is `record` or `column`.
    pub(crate) fn read(cx: &Ctxt, attrs: &[Attribute], name: &str) -> Self {
        let mut this = Self::default();
        let (in_record, before) = (name == "record", cx.count());
        entries(cx, attrs, name, |key, input| this.entry(in_record, key, input));
        this.unread = cx.count() > before;
        this
    }

    fn entry(&mut self, in_record: bool, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        let word = key.to_string();
        match word.as_str() {
            "entity" if in_record => flag(key, input).and_then(|()| fill(&mut self.entity, key, ())),
            "version" if in_record => flag(key, input).and_then(|()| fill(&mut self.version, key, ())),
            "inserted_at" if in_record => flag(key, input).and_then(|()| fill(&mut self.inserted_at, key, ())),
            "entity" | "version" | "inserted_at" => Err(syn::Error::new(
                key.span(),
                format!("`{word}` marks a field of a record; here are parts of one column"),
            )),
            "timestamp" => {
                let unit = unit(key, input)?;
                fill(&mut self.timestamp, key, unit)
            }
            "exact" => flag(key, input).and_then(|()| fill(&mut self.exact, key, ())),
            "decimal" => {
                let digits = digits(key, input)?;
                fill(&mut self.decimal, key, digits)
            }
            "rename" => {
                let name = string(key, input, "rename = \"…\"")?;
                fill(&mut self.rename, key, name)
            }
            "alias" => {
                self.alias.push(string(key, input, "alias = \"…\"")?);
                Ok(())
            }
            "default" => {
                let value = default(key, input)?;
                fill(&mut self.default, key, value)
            }
            "skip" => flag(key, input).and_then(|()| fill(&mut self.skip, key, ())),
            "with" => {
                let path = with(key, input)?;
                fill(&mut self.with, key, path)
            }
            "partition_by" | "partition" => Err(unknown_place(key, input, "partition_by")),
            "dedup" | "projection_of" | "views" if in_record => Err(unknown_place(key, input, &word)),
            _ => Err(unknown(key, input, "attribute", if in_record { RECORD_FIELD } else { COLUMN_FIELD })),
        }
    }

    /// The first of the attributes that say how a field is stored.
    pub(crate) fn encoding_keys(&self) -> Vec<&Ident> {
        let keys = [
            self.timestamp.as_ref().map(|given| &given.key),
            self.decimal.as_ref().map(|given| &given.key),
            self.with.as_ref().map(|given| &given.key),
        ];
        keys.into_iter().flatten().collect()
    }
}

/// A struct's attribute that stands on a field.
fn unknown_place(key: &Ident, input: ParseStream<'_>, word: &str) -> syn::Error {
    value_tokens(input);
    syn::Error::new(key.span(), format!("`{word}` belongs to the struct: `#[record({word} …)]` above it"))
}

fn unit(key: &Ident, input: ParseStream<'_>) -> syn::Result<Unit> {
    let text = string(key, input, "timestamp = \"us\"")?;
    match text.value().as_str() {
        "ms" => Ok(Unit::Millis),
        "us" => Ok(Unit::Micros),
        "ns" => Ok(Unit::Nanos),
        other => Err(syn::Error::new(text.span(), format!("unknown unit {other:?}; {}", suggestion(other, UNITS)))),
    }
}

fn digits(key: &Ident, input: ParseStream<'_>) -> syn::Result<(LitInt, LitInt)> {
    const SHAPE: &str = "decimal(18, 6)";
    if !input.peek(syn::token::Paren) {
        return Err(misshapen(key, input, SHAPE));
    }
    parenthesized(input, |content| {
        let number = || -> syn::Result<LitInt> {
            if content.peek(LitInt) {
                return content.parse();
            }
            let error = format!("expected `{SHAPE}`: how many digits, and how many of them after the point");
            let wrong = value_tokens(content);
            Err(if wrong.is_empty() {
                syn::Error::new(key.span(), error)
            } else {
                syn::Error::new_spanned(wrong, error)
            })
        };
        let precision = number()?;
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
        let scale = number()?;
        let _: Option<Token![,]> = content.parse()?;
        Ok((precision, scale))
    })
}

fn default(key: &Ident, input: ParseStream<'_>) -> syn::Result<DefaultAttr> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(DefaultAttr::Type);
    }
    equals(key, input, "default = 0")?;
    Ok(DefaultAttr::Value(Box::new(input.parse()?)))
}

fn with(key: &Ident, input: ParseStream<'_>) -> syn::Result<Path> {
    const SHAPE: &str = "with = path::to::Conversion";
    equals(key, input, SHAPE)?;
    if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        return Err(syn::Error::new(text.span(), format!("expected a path without quotes: `{SHAPE}`")));
    }
    input.parse()
}
