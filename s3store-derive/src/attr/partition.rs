//! One part of `partition_by(…)`.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Ident, LitInt, LitStr, Path, Token};

use super::{parenthesized, value_tokens};

const SOURCES: &str = "expected a field, `format(field, \"%Y-%m\")`, `pad(field, 5)`, or a function of fields: `path::to::function(field)`";

/// A part of the partition: its name, and what its value is made of.
#[derive(Debug)]
pub(crate) struct PartitionAttr {
    pub(crate) name: String,
    /// Where the name stands.
    pub(crate) span: Span,
    pub(crate) source: Source,
}

/// What a partition's value is made of.
#[derive(Debug)]
pub(crate) enum Source {
    /// A field as it is.
    Field(Ident),
    /// A date or time through a format.
    Format(Ident, LitStr),
    /// An integer with leading zeros.
    Pad(Ident, LitInt),
    /// A function of fields.
    Call(Path, Vec<Ident>),
}

impl Source {
    /// The fields that the value is made of.
    pub(crate) fn fields(&self) -> Vec<&Ident> {
        match self {
            Self::Field(field) | Self::Format(field, _) | Self::Pad(field, _) => vec![field],
            Self::Call(_, fields) => fields.iter().collect(),
        }
    }
}

impl PartitionAttr {
    /// Reads `field`, `name = source` or `"name" = source`.
    pub(crate) fn read(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) {
            let name: LitStr = input.parse()?;
            if !input.peek(Token![=]) {
                let message = format!("what is it made of? `{:?} = field`", name.value());
                return Err(syn::Error::new(name.span(), message));
            }
            input.parse::<Token![=]>()?;
            return Ok(Self { name: name.value(), span: name.span(), source: whole_source(input)? });
        }
        if !input.peek(Ident::peek_any) {
            return Err(syn::Error::new_spanned(value_tokens(input), "expected a field, or `name = …`"));
        }
        let word = Ident::parse_any(input)?;
        let name = word.unraw().to_string();
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            return Ok(Self { name, span: word.span(), source: whole_source(input)? });
        }
        if input.peek(syn::token::Paren) || input.peek(Token![::]) {
            value_tokens(input);
            let message = format!("a computed value needs a name: `name = {name}(…)`");
            return Err(syn::Error::new(word.span(), message));
        }
        Ok(Self { name, span: word.span(), source: Source::Field(word) })
    }
}

/// A source, with nothing behind it.
fn whole_source(input: ParseStream<'_>) -> syn::Result<Source> {
    let start = input.cursor();
    let source = source(input)?;
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(source);
    }
    value_tokens(input);
    Err(syn::Error::new_range(start..input.cursor(), SOURCES))
}

fn source(input: ParseStream<'_>) -> syn::Result<Source> {
    if !input.peek(Ident::peek_any) && !input.peek(Token![::]) {
        let wrong = value_tokens(input);
        return Err(if wrong.is_empty() { input.error(SOURCES) } else { syn::Error::new_spanned(wrong, SOURCES) });
    }
    let path = input.call(Path::parse_mod_style)?;
    if !input.peek(syn::token::Paren) {
        let field = path.get_ident().ok_or_else(|| syn::Error::new_spanned(&path, SOURCES))?;
        return Ok(Source::Field(field.clone()));
    }
    match path.get_ident() {
        Some(word) if word == "format" => {
            let shape = "expected `format(field, \"%Y-%m\")`";
            let (field, format) = field_and(word, input, shape)?;
            Ok(Source::Format(field, format))
        }
        Some(word) if word == "pad" => {
            let shape = "expected `pad(field, 5)`: the field, and how many digits";
            let (field, width) = field_and(word, input, shape)?;
            Ok(Source::Pad(field, width))
        }
        _ => {
            let fields = arguments(&path, input)?;
            Ok(Source::Call(path, fields))
        }
    }
}

/// `(field, field)` after the path of a function.
pub(super) fn arguments(path: &Path, input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    #[expect(clippy::redundant_closure, reason = "the function's lifetimes are not general enough")]
    let fields = parenthesized(input, |content| Punctuated::<Argument, Token![,]>::parse_terminated(content))?;
    if fields.is_empty() {
        let message = "the function needs a field to be made of: `function(field)`";
        return Err(syn::Error::new_spanned(path, message));
    }
    Ok(fields.into_iter().map(|field| field.0).collect())
}

/// `(field, literal)` after `word`.
fn field_and<T: syn::parse::Parse>(word: &Ident, input: ParseStream<'_>, shape: &str) -> syn::Result<(Ident, T)> {
    parenthesized(input, |content| {
        let short = |content: ParseStream<'_>| {
            let wrong = value_tokens(content);
            if wrong.is_empty() { syn::Error::new(word.span(), shape) } else { syn::Error::new_spanned(wrong, shape) }
        };
        if !content.peek(Ident::peek_any) {
            return Err(short(content));
        }
        let field = Ident::parse_any(content)?;
        if !content.peek(Token![,]) {
            return Err(short(content));
        }
        content.parse::<Token![,]>()?;
        let literal = content.parse().map_err(|_| short(content))?;
        let _: Option<Token![,]> = content.parse()?;
        Ok((field, literal))
    })
}

/// A function's argument: the name of a field.
struct Argument(Ident);

impl syn::parse::Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(Ident::peek_any) {
            let field = Ident::parse_any(input)?;
            if input.is_empty() || input.peek(Token![,]) {
                return Ok(Self(field));
            }
            value_tokens(input);
            return Err(syn::Error::new(field.span(), ARGUMENTS));
        }
        Err(syn::Error::new_spanned(value_tokens(input), ARGUMENTS))
    }
}

const ARGUMENTS: &str = "expected the name of a field: the function gets a reference to each";
