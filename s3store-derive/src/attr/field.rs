//! The attributes of a field of a record or of a nested struct.

use syn::parse::ParseStream;
use syn::{Attribute, Expr, Ident, LitBool, LitInt, LitStr, Path, Token};

use super::keywords::{COLUMN_FIELD, RECORD_FIELD, TIME_UNITS};
use super::parse::{
    entries, equals, flag, malformed, misplaced, parenthesized, string, tokens_to_comma, type_path, unknown_attribute,
    unknown_value,
};
use super::slot::{Slot, fill};
use crate::ctxt::Ctxt;

/// The attributes of a field. `entity`, `version`, `inserted_at` and `deleted` are only for fields of a record.
#[derive(Default)]
pub(crate) struct FieldAttrs {
    pub(crate) entity: Slot<()>,
    pub(crate) version: Slot<()>,
    pub(crate) inserted_at: Slot<()>,
    pub(crate) deleted: Slot<()>,
    pub(crate) timestamp: Slot<TimeUnit>,
    pub(crate) exact: Slot<()>,
    /// Set if an entity or version field may lose digits that are finer than the unit.
    pub(crate) truncate: Slot<()>,
    /// The precision and the scale.
    pub(crate) decimal: Slot<(LitInt, LitInt)>,
    pub(crate) rename: Slot<LitStr>,
    pub(crate) alias: Vec<LitStr>,
    pub(crate) default: Slot<DefaultAttr>,
    pub(crate) skip: Slot<()>,
    pub(crate) with: Slot<Path>,
    /// Set if the list is written as a repeated column.
    pub(crate) bare_list: Slot<()>,
    /// Set if files have no dictionary of the field's values.
    pub(crate) without_dictionary: Slot<()>,
    /// Set if files have a Bloom filter of the field's values.
    pub(crate) bloom: Slot<()>,
    /// Set if an attribute of the field has a syntax error. Checks for missing attributes are then skipped.
    pub(crate) malformed: bool,
}

/// The value of a field that is missing or null in a file.
pub(crate) enum DefaultAttr {
    /// The type's `Default`.
    Type,
    /// An expression.
    Value(Box<Expr>),
}

/// The unit in which a timestamp is stored.
#[derive(Clone, Copy)]
pub(crate) enum TimeUnit {
    Millis,
    Micros,
    Nanos,
}

impl FieldAttrs {
    /// Reads the `#[name(…)]` of a field. `name` is `record` or `column`.
    pub(crate) fn read(cx: &Ctxt, attrs: &[Attribute], name: &str) -> Self {
        let mut this = Self::default();
        let (in_record, before) = (name == "record", cx.count());
        entries(cx, attrs, name, |key, input| this.entry(in_record, key, input));
        this.malformed = cx.count() > before;
        this
    }

    fn entry(&mut self, in_record: bool, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        let word = key.to_string();
        match word.as_str() {
            "entity" if in_record => flag(key, input).and_then(|()| fill(&mut self.entity, key, ())),
            "version" if in_record => flag(key, input).and_then(|()| fill(&mut self.version, key, ())),
            "inserted_at" if in_record => flag(key, input).and_then(|()| fill(&mut self.inserted_at, key, ())),
            "deleted" if in_record => flag(key, input).and_then(|()| fill(&mut self.deleted, key, ())),
            "entity" | "version" | "inserted_at" | "deleted" => {
                let message =
                    format!("`{word}` is for fields of a record; a field of a nested struct cannot be marked");
                Err(syn::Error::new(key.span(), message))
            }
            "timestamp" => {
                let unit = time_unit(key, input)?;
                fill(&mut self.timestamp, key, unit)
            }
            "exact" => flag(key, input).and_then(|()| fill(&mut self.exact, key, ())),
            "truncate" if in_record => flag(key, input).and_then(|()| fill(&mut self.truncate, key, ())),
            "decimal" => {
                let digits = precision_and_scale(key, input)?;
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
                let path = type_path(key, input, "with = path::to::Conversion")?;
                fill(&mut self.with, key, path)
            }
            "bare_list" => flag(key, input).and_then(|()| fill(&mut self.bare_list, key, ())),
            "dictionary" => {
                dictionary(key, input)?;
                fill(&mut self.without_dictionary, key, ())
            }
            "bloom" if in_record => flag(key, input).and_then(|()| fill(&mut self.bloom, key, ())),
            "bloom" => {
                let message = "`bloom` is for fields of a record: a filter can't compare a field of a nested struct";
                Err(syn::Error::new(key.span(), message))
            }
            "partition_by" | "partition" => Err(misplaced(key, input, "the struct", "#[record(partition_by(…))]")),
            "dedup" | "projection_of" if in_record => {
                Err(misplaced(key, input, "the struct", &format!("#[record({word} = …)]")))
            }
            "views" if in_record => Err(misplaced(key, input, "the struct", "#[record(views(…))]")),
            _ => Err(unknown_attribute(key, input, if in_record { RECORD_FIELD } else { COLUMN_FIELD })),
        }
    }

    /// Returns the keys of the given attributes that set how the field is stored. At most one of them is allowed.
    pub(crate) fn encoding_keys(&self) -> Vec<&Ident> {
        let keys = [
            self.timestamp.as_ref().map(|given| &given.key),
            self.decimal.as_ref().map(|given| &given.key),
            self.with.as_ref().map(|given| &given.key),
        ];
        keys.into_iter().flatten().collect()
    }
}

fn time_unit(key: &Ident, input: ParseStream<'_>) -> syn::Result<TimeUnit> {
    let unit = string(key, input, "timestamp = \"us\"")?;
    match unit.value().as_str() {
        "ms" => Ok(TimeUnit::Millis),
        "us" => Ok(TimeUnit::Micros),
        "ns" => Ok(TimeUnit::Nanos),
        _ => Err(unknown_value(&unit, "time unit", TIME_UNITS)),
    }
}

/// Reads `(precision, scale)`.
fn precision_and_scale(key: &Ident, input: ParseStream<'_>) -> syn::Result<(LitInt, LitInt)> {
    const FORM: &str = "decimal(18, 6)";
    if !input.peek(syn::token::Paren) {
        return Err(malformed(key, input, FORM));
    }
    parenthesized(input, |content| {
        let number = || -> syn::Result<LitInt> {
            if content.peek(LitInt) {
                return content.parse();
            }
            let message = format!("expected the precision and the scale of the `Decimal`: `{FORM}`");
            let wrong = tokens_to_comma(content);
            Err(if wrong.is_empty() {
                syn::Error::new(key.span(), message)
            } else {
                syn::Error::new_spanned(wrong, message)
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

/// Reads `= false`.
fn dictionary(key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
    const FORM: &str = "dictionary = false";
    equals(key, input, FORM)?;
    if !input.peek(LitBool) {
        return Err(syn::Error::new_spanned(tokens_to_comma(input), format!("expected `{FORM}`")));
    }
    let value: LitBool = input.parse()?;
    if value.value {
        return Err(syn::Error::new(
            value.span,
            "a column has a dictionary anyway, if it is of use: remove `dictionary`",
        ));
    }
    Ok(())
}

fn default(key: &Ident, input: ParseStream<'_>) -> syn::Result<DefaultAttr> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(DefaultAttr::Type);
    }
    equals(key, input, "default = 0")?;
    Ok(DefaultAttr::Value(Box::new(input.parse()?)))
}
