//! The attributes of a nested struct, a newtype or an enum, and of an enum's variants.

use syn::parse::ParseStream;
use syn::{Attribute, Ident, LitStr, Path};

use super::keywords::{COLUMN, REPRS, VARIANT};
use super::parse::{entries, flag, path, string, unknown_attribute, unknown_value};
use super::slot::{Slot, fill};
use crate::ctxt::Ctxt;

/// The attributes of a struct or enum with `#[derive(ColumnType)]`.
#[derive(Default)]
pub(crate) struct ColumnAttrs {
    /// The integer that an enum is stored as.
    pub(crate) repr: Slot<LitStr>,
    pub(crate) rename_all: Slot<RenameRule>,
    /// Set if an enum gets serde's traits, too.
    pub(crate) serde: Slot<()>,
    pub(crate) krate: Slot<Path>,
}

/// A rule that derives stored names from the names of variants or fields.
#[derive(Clone, Copy)]
pub(crate) enum RenameRule {
    Lower,
    Upper,
    Camel,
    Pascal,
    Snake,
    ScreamingSnake,
    Kebab,
}

const RULES: &[(&str, RenameRule)] = &[
    ("lowercase", RenameRule::Lower),
    ("UPPERCASE", RenameRule::Upper),
    ("camelCase", RenameRule::Camel),
    ("PascalCase", RenameRule::Pascal),
    ("snake_case", RenameRule::Snake),
    ("SCREAMING_SNAKE_CASE", RenameRule::ScreamingSnake),
    ("kebab-case", RenameRule::Kebab),
];

impl RenameRule {
    /// Returns the stored name of a variant (`PascalCase`) or a field (`snake_case`).
    pub(crate) fn apply(self, name: &str) -> String {
        let words = words(name);
        let joined = |glue: &str| words.join(glue);
        match self {
            Self::Lower => joined("").to_lowercase(),
            Self::Upper => joined("").to_uppercase(),
            Self::Snake => joined("_").to_lowercase(),
            Self::ScreamingSnake => joined("_").to_uppercase(),
            Self::Kebab => joined("-").to_lowercase(),
            Self::Pascal => words.iter().map(|word| capitalised(word)).collect(),
            Self::Camel => {
                let mut words = words.iter();
                let first = words.next().map(|word| word.to_lowercase()).unwrap_or_default();
                first + &words.map(|word| capitalised(word)).collect::<String>()
            }
        }
    }
}

/// Splits a name into words: both `NetCost` and `net_cost` have two. As in serde, each capital letter starts a word.
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in name.split('_').filter(|part| !part.is_empty()) {
        words.push(String::new());
        for (at, letter) in part.char_indices() {
            if at > 0 && letter.is_uppercase() {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.push(letter);
            }
        }
    }
    words
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters.flat_map(char::to_lowercase)).collect())
        .unwrap_or_default()
}

impl ColumnAttrs {
    /// Reads the `#[column(…)]` of a struct or enum.
    pub(crate) fn read(cx: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut this = Self::default();
        entries(cx, attrs, "column", |key, input| this.entry(key, input));
        this
    }

    fn entry(&mut self, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match key.to_string().as_str() {
            "repr" => {
                let name = string(key, input, "repr = \"i32\"")?;
                if !REPRS.contains(&name.value().as_str()) {
                    return Err(unknown_value(&name, "integer type", REPRS));
                }
                fill(&mut self.repr, key, name)
            }
            "rename_all" => {
                let name = string(key, input, "rename_all = \"snake_case\"")?;
                let value = name.value();
                let Some((_, rule)) = RULES.iter().find(|(rule, _)| *rule == value) else {
                    let rules: Vec<_> = RULES.iter().map(|(rule, _)| *rule).collect();
                    return Err(unknown_value(&name, "naming rule", &rules));
                };
                fill(&mut self.rename_all, key, *rule)
            }
            "serde" => flag(key, input).and_then(|()| fill(&mut self.serde, key, ())),
            "crate" => {
                let krate = path(key, input, "crate = ::s3store")?;
                fill(&mut self.krate, key, krate)
            }
            _ => Err(unknown_attribute(key, input, COLUMN)),
        }
    }
}

/// The attributes of an enum's variant.
#[derive(Default)]
pub(crate) struct VariantAttrs {
    pub(crate) rename: Slot<LitStr>,
    pub(crate) alias: Vec<LitStr>,
    /// Set if the variant stands for all values that belong to no variant.
    pub(crate) other: Slot<()>,
}

impl VariantAttrs {
    /// Reads the `#[column(…)]` of a variant.
    pub(crate) fn read(cx: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut this = Self::default();
        entries(cx, attrs, "column", |key, input| match key.to_string().as_str() {
            "rename" => {
                let name = string(key, input, "rename = \"…\"")?;
                fill(&mut this.rename, key, name)
            }
            "alias" => {
                this.alias.push(string(key, input, "alias = \"…\"")?);
                Ok(())
            }
            "other" => flag(key, input).and_then(|()| fill(&mut this.other, key, ())),
            "default" => {
                flag(key, input)?;
                let message = "an enum's default is the one of `#[derive(Default)]`: mark the variant `#[default]`";
                Err(syn::Error::new(key.span(), message))
            }
            _ => Err(unknown_attribute(key, input, VARIANT)),
        });
        this
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naming_rules_apply_to_variants_and_fields() {
        let all = |name| RULES.iter().map(move |(_, rule)| rule.apply(name)).collect::<Vec<_>>();
        let expected = ["netcost", "NETCOST", "netCost", "NetCost", "net_cost", "NET_COST", "net-cost"];
        assert_eq!(all("NetCost"), expected);
        assert_eq!(all("net_cost"), expected);
    }
}
