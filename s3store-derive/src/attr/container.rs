//! The attributes of a record's struct.

use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, LitStr, Path, Token};

use super::{PartitionAttr, Slot, comma_separated, entries, equals, fill, misshapen, string, unknown, value_tokens};
use crate::ctxt::Ctxt;
use crate::symbol::RECORD;

/// What a record's struct says.
#[derive(Debug, Default)]
pub(crate) struct RecordAttrs {
    pub(crate) partition_by: Slot<Vec<PartitionAttr>>,
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
                if scope.value() != "per_partition" {
                    let message = format!("unknown scope {:?}; only `dedup = \"per_partition\"`", scope.value());
                    return Err(syn::Error::new(scope.span(), message));
                }
                fill(&mut self.per_partition, key, ())
            }
            "projection_of" => {
                let root = unquoted(key, input, "projection_of = Cost")?;
                fill(&mut self.projection_of, key, root)
            }
            "crate" => {
                let path = unquoted(key, input, "crate = ::s3store")?;
                fill(&mut self.krate, key, path)
            }
            "views" => {
                let views = views(cx, key, input)?;
                fill(&mut self.views, key, views)
            }
            word @ ("entity" | "version" | "inserted_at") => {
                value_tokens(input);
                let message = format!("`{word}` marks a field: write `#[record({word})]` above the field that it is");
                Err(syn::Error::new(key.span(), message))
            }
            _ => Err(unknown(key, input, "attribute", RECORD)),
        }
    }
}

/// `= path`, without quotes.
pub(super) fn unquoted(key: &Ident, input: ParseStream<'_>, shape: &str) -> syn::Result<Path> {
    equals(key, input, shape)?;
    if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        return Err(syn::Error::new(text.span(), format!("expected a path without quotes: `{shape}`")));
    }
    input.call(Path::parse_mod_style).map_err(|error| syn::Error::new(error.span(), format!("expected `{shape}`")))
}

fn partition_by(cx: &Ctxt, key: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<PartitionAttr>> {
    let shape = "partition_by(field, name = field)";
    let empty = "a partition has at least one part: `partition_by(field)`, or `partition_by(name = field)`";
    list(cx, key, input, shape, empty, PartitionAttr::read)
}

fn views(cx: &Ctxt, key: &Ident, input: ParseStream<'_>) -> syn::Result<Vec<Path>> {
    let empty = "which views? `views(SkuPeriod)`, the type with `#[derive(s3store::View)]`";
    list(cx, key, input, "views(SkuPeriod, other::View)", empty, |input| {
        if input.peek(Ident::peek_any) || input.peek(Token![::]) {
            return input.call(Path::parse_mod_style);
        }
        let message = "expected the type of a view, without quotes: `views(SkuPeriod)`";
        Err(syn::Error::new_spanned(value_tokens(input), message))
    })
}

/// `(item, item)` after `key`, at least one.
fn list<T>(
    cx: &Ctxt,
    key: &Ident,
    input: ParseStream<'_>,
    shape: &str,
    empty: &str,
    item: impl Fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<Vec<T>> {
    if !input.peek(syn::token::Paren) {
        return Err(misshapen(key, input, shape));
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
