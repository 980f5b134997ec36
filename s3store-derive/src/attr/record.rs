//! The attributes of a record's struct.

use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, Path, Token};

use super::keywords::{DEDUP, RECORD};
use super::parse::{entries, list, misplaced, path, string, tokens_to_comma, unknown_attribute, unknown_value};
use super::part::PartAttr;
use super::slot::{Slot, fill};
use crate::ctxt::Ctxt;

/// The attributes of a struct with `#[derive(Record)]`.
#[derive(Default)]
pub(crate) struct RecordAttrs {
    pub(crate) partition_by: Slot<Vec<PartAttr>>,
    /// `dedup = "per_partition"`.
    pub(crate) per_partition: Slot<()>,
    pub(crate) projection_of: Slot<Path>,
    pub(crate) views: Slot<Vec<Path>>,
    pub(crate) krate: Slot<Path>,
}

impl RecordAttrs {
    /// Reads the `#[record(…)]` of a struct.
    pub(crate) fn read(cx: &Ctxt, attrs: &[Attribute]) -> Self {
        let mut this = Self::default();
        entries(cx, attrs, "record", |key, input| this.entry(cx, key, input));
        this
    }

    fn entry(&mut self, cx: &Ctxt, key: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
        match key.to_string().as_str() {
            "partition_by" => {
                let parts = partition_by(cx, key, input)?;
                fill(&mut self.partition_by, key, parts)
            }
            "dedup" => {
                let scope = string(key, input, "dedup = \"per_partition\"")?;
                if !DEDUP.contains(&scope.value().as_str()) {
                    return Err(unknown_value(&scope, "deduplication scope", DEDUP));
                }
                fill(&mut self.per_partition, key, ())
            }
            "projection_of" => {
                let root = path(key, input, "projection_of = Cost")?;
                fill(&mut self.projection_of, key, root)
            }
            "crate" => {
                let krate = path(key, input, "crate = ::s3store")?;
                fill(&mut self.krate, key, krate)
            }
            "views" => {
                let views = views(cx, key, input)?;
                fill(&mut self.views, key, views)
            }
            word @ ("entity" | "version" | "inserted_at") => {
                Err(misplaced(key, input, "a field", &format!("#[record({word})]")))
            }
            _ => Err(unknown_attribute(key, input, RECORD)),
        }
    }
}

fn partition_by(cx: &Ctxt, key: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<PartAttr>> {
    let form = "partition_by(field, name = field)";
    let empty = "expected at least one field: `partition_by(field)` or `partition_by(name = field)`";
    list(cx, key, input, form, empty, PartAttr::read)
}

fn views(cx: &Ctxt, key: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Path>> {
    let empty = "expected at least one view: `views(SkuPeriod)`, a type with `#[derive(s3store::View)]`";
    list(cx, key, input, "views(SkuPeriod, other::View)", empty, |input| {
        if input.peek(Ident::peek_any) || input.peek(Token![::]) {
            return input.call(Path::parse_mod_style);
        }
        let message = "expected the type of a view, without quotes: `views(SkuPeriod)`";
        Err(syn::Error::new_spanned(tokens_to_comma(input), message))
    })
}
