//! Names for generated items and methods that do not clash with the user's.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::format_ident;
use syn::ext::IdentExt;

/// Returns a name for a generated item, for example `CostColumns`.
///
/// If `taken` contains that name, underscores are appended until it does not.
pub(crate) fn item_name(ident: &Ident, suffix: &str, taken: &TokenStream) -> Ident {
    let mut name = format_ident!("{}{suffix}", ident.unraw());
    while contains(taken, &name) {
        name = format_ident!("{name}_");
    }
    name
}

/// Returns `true` if `word` occurs anywhere in `tokens`.
fn contains(tokens: &TokenStream, word: &Ident) -> bool {
    tokens.clone().into_iter().any(|tree| match tree {
        TokenTree::Ident(ident) => ident == *word,
        TokenTree::Group(group) => contains(&group.stream(), word),
        _ => false,
    })
}

/// Returns a number for the name of a field, by which derives of different structs refer to the same field (FNV-1a, 64 bits).
///
/// If two fields of a record had the same number, the record would not compile.
pub(crate) fn hash(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// Returns the name of the builder method for the column or part `name`.
///
/// Characters that an identifier cannot contain become `_`. Keywords become raw identifiers.
pub(crate) fn method_name(name: &str, span: Span) -> Ident {
    let mut word: String =
        name.chars().map(|letter| if letter == '_' || letter.is_alphanumeric() { letter } else { '_' }).collect();
    if matches!(word.as_str(), "self" | "Self" | "super" | "crate" | "_" | "") {
        word.push('_');
    }
    if let Ok(mut ident) = syn::parse_str::<Ident>(&word) {
        ident.set_span(span);
        return ident;
    }
    if syn::parse_str::<syn::Token![_]>(&word).is_err() && word.starts_with(|letter: char| letter.is_alphabetic()) {
        return Ident::new_raw(&word, span);
    }
    Ident::new(&format!("_{word}"), span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_name_has_a_method() {
        let method = |name| method_name(name, Span::call_site()).to_string();
        assert_eq!(method("sku"), "sku");
        assert_eq!(method("charge-period"), "charge_period");
        assert_eq!(method("type"), "r#type");
        assert_eq!(method("self"), "self_");
        assert_eq!(method("2026"), "_2026");
        assert_eq!(method("größe"), "größe");
        assert_eq!(method("-"), "__");
        assert_eq!(method(""), "__");
    }
}
