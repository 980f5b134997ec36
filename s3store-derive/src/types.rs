//! What can be told of a type by its looks, for messages that come before the compiler's own.
//!
//! A type behind an alias is [`Look::Unknown`]; then the traits of the generated code judge.

use syn::{GenericArgument, PathArguments, PathSegment, Type};

/// What a type looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Bool,
    Integer,
    /// `usize` or `isize`.
    Pointer,
    Float,
    Text,
    Utc,
    /// `DateTime` of another zone.
    Zoned,
    Date,
    Time,
    DateAndTime,
    Decimal,
    Uuid,
    Option,
    List,
    Array,
    Map,
    Borrowed,
    Tuple,
    Unknown,
}

/// What `ty` looks like.
pub(crate) fn look(ty: &Type) -> Look {
    match bare(ty) {
        Type::Reference(_) | Type::Ptr(_) | Type::Slice(_) => Look::Borrowed,
        Type::Tuple(_) => Look::Tuple,
        Type::Array(_) => Look::Array,
        other => last_segment(other).map_or(Look::Unknown, segment_look),
    }
}

/// The type inside an `Option`.
pub(crate) fn inside_option(ty: &Type) -> Option<&Type> {
    if look(ty) == Look::Option { argument(ty, 0) } else { None }
}

/// The type that is stored at the end of `Option`s, lists and the values of maps.
pub(crate) fn leaf(ty: &Type) -> &Type {
    let inner = match look(ty) {
        Look::Option | Look::List => argument(ty, 0),
        Look::Map => argument(ty, 1),
        Look::Array => match bare(ty) {
            Type::Array(array) => Some(&*array.elem),
            _ => None,
        },
        _ => None,
    };
    inner.map_or(ty, leaf)
}

/// The last word of a type, for messages: `DateTime` of `chrono::DateTime<Utc>`.
pub(crate) fn word(ty: &Type) -> String {
    last_segment(ty).map_or_else(|| "this type".to_owned(), |segment| format!("`{}`", segment.ident))
}

fn segment_look(segment: &PathSegment) -> Look {
    let plain = segment.arguments.is_empty();
    match segment.ident.to_string().as_str() {
        "bool" if plain => Look::Bool,
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" if plain => Look::Integer,
        "usize" | "isize" if plain => Look::Pointer,
        "f32" | "f64" if plain => Look::Float,
        "String" if plain => Look::Text,
        "Box" | "Arc" | "Rc" if first_is(segment, "str") => Look::Text,
        "DateTime" if first_is(segment, "Utc") => Look::Utc,
        "DateTime" if !plain => Look::Zoned,
        "NaiveDate" if plain => Look::Date,
        "NaiveTime" if plain => Look::Time,
        "NaiveDateTime" if plain => Look::DateAndTime,
        "Decimal" if plain => Look::Decimal,
        "Uuid" if plain => Look::Uuid,
        "Option" if !plain => Look::Option,
        "Vec" if !plain => Look::List,
        "HashMap" | "BTreeMap" if !plain => Look::Map,
        _ => Look::Unknown,
    }
}

/// A type without the parentheses and groups that macros put around it.
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

fn argument(ty: &Type, index: usize) -> Option<&Type> {
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
    fn a_type_is_known_by_its_looks() {
        let look_of = |ty: &str| look(&syn::parse_str(ty).unwrap());
        assert_eq!(look_of("std::string::String"), Look::Text);
        assert_eq!(look_of("Arc<str>"), Look::Text);
        assert_eq!(look_of("chrono::DateTime<chrono::Utc>"), Look::Utc);
        assert_eq!(look_of("DateTime<Local>"), Look::Zoned);
        assert_eq!(look_of("::core::option::Option<u8>"), Look::Option);
        assert_eq!(look_of("Option"), Look::Unknown);
        assert_eq!(look_of("(Vec<u8>)"), Look::List);
        assert_eq!(look_of("&'static str"), Look::Borrowed);
        assert_eq!(look_of("Cost"), Look::Unknown);
    }

    #[test]
    fn the_leaf_is_below_options_lists_and_maps() {
        let ty: Type = syn::parse_str("Option<Vec<HashMap<String, [Option<f64>; 3]>>>").unwrap();
        assert_eq!(look(leaf(&ty)), Look::Float);
    }
}
