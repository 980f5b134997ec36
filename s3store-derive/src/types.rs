//! Classifies types by their tokens, for messages that are clearer than the compiler's.
//!
//! A type behind an alias is [`TypeClass::Unknown`]. The trait bounds of the generated code then check it.

use quote::ToTokens;
use syn::{GenericArgument, PathArguments, PathSegment, Type};

/// The class of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeClass {
    Bool,
    Integer,
    /// `usize` or `isize`.
    PointerSized,
    Float,
    /// `String` or a smart pointer to `str`.
    Text,
    /// `DateTime<Utc>`.
    Utc,
    /// `DateTime` of a time zone other than UTC.
    OtherZone,
    /// `NaiveDate`.
    Date,
    /// `NaiveTime`.
    Time,
    /// `NaiveDateTime`.
    DateTime,
    Decimal,
    Uuid,
    Option,
    /// `Vec`.
    List,
    Array,
    Map,
    /// A reference, a raw pointer or a slice.
    Borrowed,
    Tuple,
    Unknown,
}

/// Returns the class of `ty`.
pub(crate) fn classify(ty: &Type) -> TypeClass {
    match bare(ty) {
        Type::Reference(_) | Type::Ptr(_) | Type::Slice(_) => TypeClass::Borrowed,
        Type::Tuple(_) => TypeClass::Tuple,
        Type::Array(_) => TypeClass::Array,
        other => last_segment(other).map_or(TypeClass::Unknown, classify_segment),
    }
}

/// Returns the type inside an `Option`.
pub(crate) fn inside_option(ty: &Type) -> Option<&Type> {
    if classify(ty) == TypeClass::Option { argument(ty, 0) } else { None }
}

/// Returns the innermost type that is stored: inside `Option`s, lists and the values of maps.
pub(crate) fn leaf(ty: &Type) -> &Type {
    let inner = match classify(ty) {
        TypeClass::Option | TypeClass::List => argument(ty, 0),
        TypeClass::Map => argument(ty, 1),
        TypeClass::Array => match bare(ty) {
            Type::Array(array) => Some(&*array.elem),
            _ => None,
        },
        _ => None,
    };
    inner.map_or(ty, leaf)
}

/// Returns a type's tokens, for messages: `Option<String>`.
pub(crate) fn type_text(ty: &Type) -> String {
    let mut text = String::new();
    for token in ty.to_token_stream().to_string().split_whitespace() {
        text.push_str(token);
        if token == "," {
            text.push(' ');
        }
    }
    text
}

/// Returns the last segment of a type in backticks, for messages: `DateTime` of `chrono::DateTime<Utc>`.
pub(crate) fn type_name(ty: &Type) -> String {
    last_segment(ty).map_or_else(|| format!("`{}`", type_text(ty)), |segment| format!("`{}`", segment.ident))
}

fn classify_segment(segment: &PathSegment) -> TypeClass {
    let plain = segment.arguments.is_empty();
    match segment.ident.to_string().as_str() {
        "bool" if plain => TypeClass::Bool,
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" if plain => TypeClass::Integer,
        "usize" | "isize" if plain => TypeClass::PointerSized,
        "f32" | "f64" if plain => TypeClass::Float,
        "String" if plain => TypeClass::Text,
        "Box" | "Arc" | "Rc" if first_is(segment, "str") => TypeClass::Text,
        "DateTime" if first_is(segment, "Utc") => TypeClass::Utc,
        "DateTime" if !plain => TypeClass::OtherZone,
        "NaiveDate" if plain => TypeClass::Date,
        "NaiveTime" if plain => TypeClass::Time,
        "NaiveDateTime" if plain => TypeClass::DateTime,
        "Decimal" if plain => TypeClass::Decimal,
        "Uuid" if plain => TypeClass::Uuid,
        "Option" if !plain => TypeClass::Option,
        "Vec" if !plain => TypeClass::List,
        "HashMap" | "BTreeMap" if !plain => TypeClass::Map,
        _ => TypeClass::Unknown,
    }
}

/// Returns a type without the parentheses and groups that macros put around it.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match bare(ty) {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        _ => None,
    }
}

pub(crate) fn argument(ty: &Type, index: usize) -> Option<&Type> {
    segment_argument(last_segment(ty)?, index)
}

fn segment_argument(segment: &PathSegment, index: usize) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.nth(index)
}

fn first_is(segment: &PathSegment, name: &str) -> bool {
    segment_argument(segment, 0).and_then(last_segment).is_some_and(|segment| segment.ident == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_classified_by_their_tokens() {
        let class_of = |ty: &str| classify(&syn::parse_str(ty).unwrap());
        assert_eq!(class_of("std::string::String"), TypeClass::Text);
        assert_eq!(class_of("Arc<str>"), TypeClass::Text);
        assert_eq!(class_of("chrono::DateTime<chrono::Utc>"), TypeClass::Utc);
        assert_eq!(class_of("DateTime<Local>"), TypeClass::OtherZone);
        assert_eq!(class_of("::core::option::Option<u8>"), TypeClass::Option);
        assert_eq!(class_of("Option"), TypeClass::Unknown);
        assert_eq!(class_of("(Vec<u8>)"), TypeClass::List);
        assert_eq!(class_of("&'static str"), TypeClass::Borrowed);
        assert_eq!(class_of("Cost"), TypeClass::Unknown);
    }

    #[test]
    fn the_leaf_is_inside_options_lists_and_maps() {
        let ty: Type = syn::parse_str("Option<Vec<HashMap<String, [Option<f64>; 3]>>>").unwrap();
        assert_eq!(classify(leaf(&ty)), TypeClass::Float);
    }
}
