//! Reads attributes: what was written, and where. Whether it makes sense together is for `check`.

mod column;
mod container;
mod field;
mod partition;
mod view;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseBuffer, ParseStream};
use syn::{Attribute, Ident, LitStr, Meta, Token};

pub(crate) use column::{ColumnAttrs, VariantAttrs};
pub(crate) use container::RecordAttrs;
pub(crate) use field::{DefaultAttr, FieldAttrs, Unit};
pub(crate) use partition::{PartitionAttr, Source};
pub(crate) use view::{ViewAttrs, ViewFieldAttrs};

use crate::ctxt::Ctxt;
use crate::words::suggestion;

/// A value that was given at most once, with the word that gave it.
#[derive(Debug)]
pub(crate) struct Given<T> {
    /// The attribute's word, where its errors stand.
    pub(crate) key: Ident,
    pub(crate) value: T,
}

/// A place for a value that may be given once.
pub(crate) type Slot<T> = Option<Given<T>>;

fn fill<T>(slot: &mut Slot<T>, key: &Ident, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new(key.span(), format!("`{}` is given twice", key.unraw())));
    }
    *slot = Some(Given { key: key.clone(), value });
    Ok(())
}

/// Reads every `#[name(…)]` entry by entry. One that is wrong is noted, and the next is read.
fn entries(
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

/// Reads items between commas to the end of `input`. One that is wrong is noted, and the next is read.
fn comma_separated(cx: &Ctxt, input: ParseStream<'_>, mut item: impl FnMut(ParseStream<'_>) -> syn::Result<()>) {
    while !input.is_empty() {
        if let Err(error) = item(input) {
            cx.push(error);
            skip_to_comma(input);
        } else if !input.is_empty() && !input.peek(Token![,]) {
            cx.push(input.error("expected `,`"));
            skip_to_comma(input);
        }
        // Nothing is left, or a comma.
        let _: syn::Result<Token![,]> = input.parse();
    }
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        let _: syn::Result<TokenTree> = input.parse();
    }
}

/// Reads `(…)` to its end; a mistake inside is no reason to complain about what follows it.
fn parenthesized<T>(input: ParseStream<'_>, read: impl FnOnce(&ParseBuffer<'_>) -> syn::Result<T>) -> syn::Result<T> {
    let content;
    syn::parenthesized!(content in input);
    let value = read(&content);
    let rest: TokenStream = content.parse()?;
    if value.is_ok() && !rest.is_empty() {
        return Err(syn::Error::new_spanned(&rest, "nothing is expected here"));
    }
    value
}

/// Nothing may follow the word `key`.
fn flag(key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        return Ok(());
    }
    let rest = value_tokens(input);
    Err(syn::Error::new_spanned(rest, format!("`{}` takes no value", key.unraw())))
}

/// `= "text"`. `shape` is how the whole entry is written, for messages.
fn string(key: &Ident, input: ParseStream<'_>, shape: &str) -> syn::Result<LitStr> {
    equals(key, input, shape)?;
    if input.peek(LitStr) {
        return input.parse();
    }
    Err(syn::Error::new_spanned(value_tokens(input), format!("expected text: `{shape}`")))
}

/// The `=` after `key`, with a value behind it.
fn equals(key: &Ident, input: ParseStream<'_>, shape: &str) -> syn::Result<()> {
    if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        if !input.is_empty() && !input.peek(Token![,]) {
            return Ok(());
        }
        return Err(syn::Error::new(key.span(), format!("`{}` needs a value: `{shape}`", key.unraw())));
    }
    Err(misshapen(key, input, shape))
}

/// The entry at `key` is not written like `shape`.
fn misshapen(key: &Ident, input: ParseStream<'_>, shape: &str) -> syn::Error {
    let rest = value_tokens(input);
    let mut whole = key.to_token_stream();
    whole.extend(rest);
    syn::Error::new_spanned(whole, format!("expected `{shape}`"))
}

/// A word that is none of `known`.
fn unknown(key: &Ident, input: ParseStream<'_>, what: &str, known: &[&str]) -> syn::Error {
    skip_to_comma(input);
    let word = key.unraw().to_string();
    syn::Error::new(key.span(), format!("unknown {what} `{word}`; {}", suggestion(&word, known)))
}

/// What stands up to the next comma.
fn value_tokens(input: ParseStream<'_>) -> TokenStream {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        match input.parse::<TokenTree>() {
            Ok(tree) => tokens.extend([tree]),
            Err(_) => break,
        }
    }
    tokens
}
