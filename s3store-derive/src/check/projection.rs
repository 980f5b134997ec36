//! Checks of projections. The compiler checks that the record has the fields.

use syn::Ident;

use crate::ctxt::Ctxt;
use crate::model::{Field, Record};

/// Checks that a struct with `projection_of` sets nothing that it inherits from its record.
pub(super) fn check(cx: &Ctxt, record: &Record<'_>) {
    let root = record.root().and_then(|root| root.segments.last()).map_or_else(String::new, |it| it.ident.to_string());
    let attrs = &record.attrs;
    let inherited = [
        (attrs.partition_by.as_ref().map(|given| &given.key), "partitions"),
        (attrs.per_partition.as_ref().map(|given| &given.key), "deduplication"),
        (attrs.views.as_ref().map(|given| &given.key), "views"),
    ];
    for (key, what) in inherited {
        if let Some(key) = key {
            cx.error(key, format!("a projection inherits the {what} of `{root}`: remove `{key}`"));
        }
    }
    for field in &record.fields {
        inherits(cx, field, &root);
    }
}

fn inherits(cx: &Ctxt, field: &Field<'_>, root: &str) {
    let attrs = &field.attrs;
    for given in [&attrs.entity, &attrs.version, &attrs.inserted_at, &attrs.deleted].into_iter().flatten() {
        let key = &given.key;
        cx.error(key, format!("a projection inherits the {} of `{root}`: remove `{key}`", noun(key)));
    }
    let mut keys = attrs.encoding_keys();
    let flags = [&attrs.exact, &attrs.truncate, &attrs.bare_list, &attrs.without_dictionary, &attrs.bloom];
    keys.extend(flags.into_iter().flatten().map(|given| &given.key));
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

fn noun(key: &Ident) -> &'static str {
    match key.to_string().as_str() {
        "entity" => "entity",
        "version" => "version",
        "deleted" => "mark of deleted entities",
        _ => "insertion time",
    }
}
