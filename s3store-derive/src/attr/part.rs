//! One part of `partition_by(…)`.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitInt, LitStr, Path, Token};

use super::parse::{arguments, parenthesized, tokens_to_comma};

const EXPECTED: &str = "expected a field, `format(field, \"%Y-%m\")`, `pad(field, 5)`, or a function of fields: `path::to::function(field)`";

/// A part of the partition: its name and the expression for its value.
pub(crate) struct PartAttr {
    pub(crate) name: String,
    /// The position of the name.
    pub(crate) span: Span,
    pub(crate) expr: PartExpr,
}

/// The expression for a part's value.
pub(crate) enum PartExpr {
    /// A field, rendered as its type does.
    Field(Ident),
    /// A date or time in a format.
    Format(Ident, LitStr),
    /// An integer with leading zeros.
    Pad(Ident, LitInt),
    /// A function of fields.
    Call(Path, Vec<Ident>),
}

impl PartExpr {
    /// Returns the fields that the value depends on.
    pub(crate) fn fields(&self) -> Vec<&Ident> {
        match self {
            Self::Field(field) | Self::Format(field, _) | Self::Pad(field, _) => vec![field],
            Self::Call(_, fields) => fields.iter().collect(),
        }
    }
}

impl PartAttr {
    /// Reads `field`, `name = expression` or `"name" = expression`.
    pub(crate) fn read(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            let name: LitStr = input.parse()?;
            if !input.peek(Token![=]) {
                let message = format!("a part with a quoted name needs a value: `{:?} = field`", name.value());
                return Err(syn::Error::new(name.span(), message));
            }
            input.parse::<Token![=]>()?;
            return Ok(Self { name: name.value(), span: name.span(), expr: expr_to_comma(input)? });
        }
        if !input.peek(Ident::peek_any) {
            return Err(syn::Error::new_spanned(tokens_to_comma(input), "expected a field, or `name = …`"));
        }
        let word = Ident::parse_any(input)?;
        let name = word.unraw().to_string();
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            return Ok(Self { name, span: word.span(), expr: expr_to_comma(input)? });
        }
        if input.peek(syn::token::Paren) || input.peek(Token![::]) {
            tokens_to_comma(input);
            let message = format!("a computed value needs a name: `name = {name}(…)`");
            return Err(syn::Error::new(word.span(), message));
        }
        Ok(Self { name, span: word.span(), expr: PartExpr::Field(word) })
    }
}

/// Reads an expression that must end at a comma or at the end of `input`.
fn expr_to_comma(input: ParseStream<'_>) -> syn::Result<PartExpr> {
    let start = input.cursor();
    let expr = expr(input)?;
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(expr);
    }
    tokens_to_comma(input);
    Err(syn::Error::new_range(start..input.cursor(), EXPECTED))
}

fn expr(input: ParseStream<'_>) -> syn::Result<PartExpr> {
    if !input.peek(Ident::peek_any) && !input.peek(Token![::]) {
        let wrong = tokens_to_comma(input);
        return Err(if wrong.is_empty() { input.error(EXPECTED) } else { syn::Error::new_spanned(wrong, EXPECTED) });
    }
    let path = input.call(Path::parse_mod_style)?;
    if !input.peek(syn::token::Paren) {
        let field = path.get_ident().ok_or_else(|| syn::Error::new_spanned(&path, EXPECTED))?;
        return Ok(PartExpr::Field(field.clone()));
    }
    match path.get_ident() {
        Some(word) if word == "format" => {
            let (field, format) = field_and_literal(word, input, "expected `format(field, \"%Y-%m\")`")?;
            Ok(PartExpr::Format(field, format))
        }
        Some(word) if word == "pad" => {
            let expected = "expected `pad(field, 5)`: a field and the number of digits";
            let (field, width) = field_and_literal(word, input, expected)?;
            Ok(PartExpr::Pad(field, width))
        }
        _ => {
            let fields = arguments(&path, input)?;
            Ok(PartExpr::Call(path, fields))
        }
    }
}

/// Reads `(field, literal)` after `word`.
fn field_and_literal<T: Parse>(word: &Ident, input: ParseStream<'_>, expected: &str) -> syn::Result<(Ident, T)> {
    parenthesized(input, |content| {
        let malformed = |content: ParseStream<'_>| {
            let wrong = tokens_to_comma(content);
            if wrong.is_empty() {
                syn::Error::new(word.span(), expected)
            } else {
                syn::Error::new_spanned(wrong, expected)
            }
        };
        if !content.peek(Ident::peek_any) {
            return Err(malformed(content));
        }
        let field = Ident::parse_any(content)?;
        if !content.peek(Token![,]) {
            return Err(malformed(content));
        }
        content.parse::<Token![,]>()?;
        let literal = content.parse().map_err(|_| malformed(content))?;
        let _: Option<Token![,]> = content.parse()?;
        Ok((field, literal))
    })
}
