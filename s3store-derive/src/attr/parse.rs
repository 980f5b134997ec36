//! Parsers for the forms that several attributes share.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseBuffer, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, LitStr, Meta, Path, Token};

use crate::ctxt::Ctxt;
use crate::words::suggestion;

/// Reads the entries of every `#[name(…)]`. After an error, reading continues with the next entry.
pub(super) fn entries(
    cx: &Ctxt,
    attrs: &[Attribute],
    name: &str,
    mut entry: impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>,
) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        if let Meta::List(_) = attr.meta {
            let read = attr.parse_args_with(|input: ParseStream<'_>| {
                comma_separated(cx, input, |input| {
                    let key = Ident::parse_any(input)?;
                    entry(&key, input)
                });
                Ok(())
            });
            if let Err(error) = read {
                cx.push(error);
            }
        } else {
            cx.error(&attr.meta, format!("expected `#[{name}(…)]`"));
        }
    }
}

/// Reads `(item, item)` after `key`, with at least one item.
///
/// `form` shows how the entry is written. `empty` is the error for an empty list.
pub(super) fn list<T>(
    cx: &Ctxt,
    key: &Ident,
    input: ParseStream<'_>,
    form: &str,
    empty: &str,
    item: impl Fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<Vec<T>> {
    if !input.peek(syn::token::Paren) {
        return Err(malformed(key, input, form));
    }
    let content;
    syn::parenthesized!(content in input);
    let (mut items, before) = (Vec::new(), cx.count());
    comma_separated(cx, &content, |input| {
        items.push(item(input)?);
        Ok(())
    });
    if items.is_empty() && cx.count() == before {
        return Err(syn::Error::new(key.span(), empty));
    }
    Ok(items)
}

/// Reads items between commas to the end of `input`. After an error, reading continues with the next item.
fn comma_separated(cx: &Ctxt, input: ParseStream<'_>, mut item: impl FnMut(ParseStream<'_>) -> syn::Result<()>) {
    while !input.is_empty() {
        if let Err(error) = item(input) {
            cx.push(error);
            skip_to_comma(input);
        } else if !input.is_empty() && !input.peek(Token![,]) {
            cx.push(input.error("expected `,`"));
            skip_to_comma(input);
        }
        // The input is now at a comma or at its end, so this cannot fail halfway through an item.
        let _: syn::Result<Token![,]> = input.parse();
    }
}

fn skip_to_comma(input: ParseStream<'_>) {
    tokens_to_comma(input);
}

/// Reads `(…)` with `read`, which must consume all of it.
///
/// The parentheses are consumed even if `read` fails, so that the caller reports no second error for what follows.
pub(super) fn parenthesized<T>(
    input: ParseStream<'_>,
    read: impl FnOnce(&ParseBuffer<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    let content;
    syn::parenthesized!(content in input);
    let value = read(&content);
    let rest: TokenStream = content.parse()?;
    if value.is_ok() && !rest.is_empty() {
        return Err(syn::Error::new_spanned(&rest, "expected `)`"));
    }
    value
}

/// Checks that no value follows `key`.
pub(super) fn flag(key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    let rest = tokens_to_comma(input);
    Err(syn::Error::new_spanned(rest, format!("`{}` takes no value", key.unraw())))
}

/// Reads `= "text"`. `form` shows how the entry is written.
pub(super) fn string(key: &Ident, input: ParseStream<'_>, form: &str) -> syn::Result<LitStr> {
    equals(key, input, form)?;
    if input.peek(LitStr) {
        return input.parse();
    }
    Err(syn::Error::new_spanned(tokens_to_comma(input), format!("expected a string: `{form}`")))
}

/// Reads `= path`. `form` shows how the entry is written.
pub(super) fn path(key: &Ident, input: ParseStream<'_>, form: &str) -> syn::Result<Path> {
    unquoted(key, input, form)?;
    input.call(Path::parse_mod_style).map_err(|error| syn::Error::new(error.span(), format!("expected `{form}`")))
}

/// Reads `= path`, where the path may have generic arguments.
pub(super) fn type_path(key: &Ident, input: ParseStream<'_>, form: &str) -> syn::Result<Path> {
    unquoted(key, input, form)?;
    input.parse()
}

/// Reads the `=` before a path, which must not be a string.
fn unquoted(key: &Ident, input: ParseStream<'_>, form: &str) -> syn::Result<()> {
    equals(key, input, form)?;
    if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        return Err(syn::Error::new(text.span(), format!("expected a path without quotes: `{form}`")));
    }
    Ok(())
}

/// Reads the `=` after `key`, and checks that a value follows.
pub(super) fn equals(key: &Ident, input: ParseStream<'_>, form: &str) -> syn::Result<()> {
    if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        if !input.is_empty() && !input.peek(Token![,]) {
            return Ok(());
        }
        return Err(syn::Error::new(key.span(), format!("`{}` needs a value: `{form}`", key.unraw())));
    }
    Err(malformed(key, input, form))
}

/// Reads the arguments of a function, `(field, field)`, after its path.
pub(super) fn arguments(path: &Path, input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    #[expect(clippy::redundant_closure, reason = "the function's lifetimes are not general enough")]
    let fields = parenthesized(input, |content| Punctuated::<Argument, Token![,]>::parse_terminated(content))?;
    if fields.is_empty() {
        return Err(syn::Error::new_spanned(path, "expected at least one field as an argument: `function(field)`"));
    }
    Ok(fields.into_iter().map(|field| field.0).collect())
}

/// A function's argument: the name of a field.
struct Argument(Ident);

impl Parse for Argument {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        const EXPECTED: &str = "expected a field name; the function receives a reference to the field";
        if input.peek(Ident::peek_any) {
            let field = Ident::parse_any(input)?;
            if input.is_empty() || input.peek(Token![,]) {
                return Ok(Self(field));
            }
            skip_to_comma(input);
            return Err(syn::Error::new(field.span(), EXPECTED));
        }
        Err(syn::Error::new_spanned(tokens_to_comma(input), EXPECTED))
    }
}

/// Returns the error for an entry at `key` that is not written like `form`, and skips the entry.
pub(super) fn malformed(key: &Ident, input: ParseStream<'_>, form: &str) -> syn::Error {
    let mut entry = key.to_token_stream();
    entry.extend(tokens_to_comma(input));
    syn::Error::new_spanned(entry, format!("expected `{form}`"))
}

/// Returns the error for an attribute whose key is not one of `known`, and skips the entry.
pub(super) fn unknown_attribute(key: &Ident, input: ParseStream<'_>, known: &[&str]) -> syn::Error {
    skip_to_comma(input);
    let word = key.unraw().to_string();
    syn::Error::new(key.span(), format!("unknown attribute `{word}`; {}", suggestion(&word, known)))
}

/// Returns the error for a string that is not one of `known`. `what` is the noun for such a string.
pub(super) fn unknown_value(given: &LitStr, what: &str, known: &[&str]) -> syn::Error {
    let value = given.value();
    syn::Error::new(given.span(), format!("unknown {what} {value:?}; {}", suggestion(&value, known)))
}

/// Returns the error for an attribute that must be written on `place` (`the struct`, `a field`), and skips the entry.
///
/// `form` shows the complete attribute.
pub(super) fn misplaced(key: &Ident, input: ParseStream<'_>, place: &str, form: &str) -> syn::Error {
    skip_to_comma(input);
    syn::Error::new(key.span(), format!("`{}` is an attribute of {place}: write `{form}` there", key.unraw()))
}

/// Reads the tokens up to the next comma.
pub(super) fn tokens_to_comma(input: ParseStream<'_>) -> TokenStream {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        match input.parse::<TokenTree>() {
            Ok(tree) => tokens.extend([tree]),
            Err(_) => break,
        }
    }
    tokens
}
