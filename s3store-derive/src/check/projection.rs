//! A projection takes fields of its record, and nothing else. Whether they are there is for the compiler.

use crate::ctxt::Ctxt;
use crate::model::{Field, Record};

/// Checks a struct with `projection_of`.
pub(super) fn check(cx: &Ctxt, record: &Record<'_>) {
    let root = record.root().and_then(|root| root.segments.last()).map_or_else(String::new, |it| it.ident.to_string());
    let attrs = &record.attrs;
    let container = [
        (attrs.partition_by.as_ref().map(|given| &given.key), "partitions"),
        (attrs.per_partition.as_ref().map(|given| &given.key), "deduplication"),
        (attrs.views.as_ref().map(|given| &given.key), "views"),
    ];
    for (key, what) in container {
        if let Some(key) = key {
            cx.error(key, format!("a projection has the {what} of its record, `{root}`: remove `{key}`"));
        }
    }
    for field in &record.fields {
        inherits(cx, field, &root);
    }
}

fn inherits(cx: &Ctxt, field: &Field<'_>, root: &str) {
    let attrs = &field.attrs;
    for given in [&attrs.entity, &attrs.version, &attrs.inserted_at].into_iter().flatten() {
        let key = &given.key;
        cx.error(key, format!("a projection has the {} of its record, `{root}`: remove `{key}`", role(key)));
    }
    let mut keys = attrs.encoding_keys();
    keys.extend(attrs.exact.as_ref().map(|given| &given.key));
    keys.extend(attrs.rename.as_ref().map(|given| &given.key));
    if field.is_column() {
        keys.extend(attrs.default.as_ref().map(|given| &given.key));
    }
    for key in keys {
        cx.error(key, format!("a projection reads its columns as `{root}` stores them: remove `{key}`"));
    }
    for alias in &attrs.alias {
        cx.error(alias, format!("a projection reads its columns as `{root}` stores them: remove the alias"));
    }
}

fn role(key: &syn::Ident) -> &'static str {
    match key.to_string().as_str() {
        "entity" => "entity",
        "version" => "version",
        _ => "insertion time",
    }
}
