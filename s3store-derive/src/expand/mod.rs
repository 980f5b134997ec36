//! Prints implementations.

/// `quote!` whose local variables no name of the user meets.
macro_rules! emit {
    ($($tokens:tt)*) => { ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*) };
}

mod builder;
mod column_type;
mod nested;
mod newtype;
mod partitions;
mod projection;
mod record;
mod unit_enum;
mod view;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::DeriveInput;
use syn::spanned::Spanned;

use crate::attr::{DefaultAttr, Unit};
use crate::check;
use crate::ctxt::Ctxt;
use crate::fallback;
use crate::krate;
use crate::model::{Field, Record};
use crate::types::inside_option;

pub(crate) use column_type::column_type;
pub(crate) use view::view;

/// The implementations of a record, or its errors.
pub(crate) fn record(input: &DeriveInput) -> TokenStream {
    let cx = Ctxt::default();
    let record = Record::read(&cx, input);
    if let Some(record) = &record {
        check::record(&cx, record);
    }
    match record {
        Some(record) if cx.count() == 0 => {
            let krate = krate::path(&record.attrs.krate);
            let items = match record.root() {
                Some(root) => projection::items(&record, root),
                None => record::items(&record),
            };
            in_const(&krate, &items)
        }
        record => fallback::record(input, record.as_ref(), cx),
    }
}

/// Items in a scope of their own, where `_s3store` is what generated code refers to.
fn in_const(krate: &TokenStream, items: &TokenStream) -> TokenStream {
    quote! {
        #[allow(dead_code, non_camel_case_types, non_snake_case, unreachable_pub, private_interfaces)]
        #[allow(clippy::impl_trait_in_params, clippy::needless_question_mark)]
        const _: () = {
            use #krate::__private as _s3store;
            #items
        };
    }
}

/// The type that stands for how a field is stored.
pub(crate) fn encoding(field: &Field<'_>) -> TokenStream {
    let attrs = &field.attrs;
    if let Some(with) = &attrs.with {
        let path = &with.value;
        return match inside_option(field.ty) {
            Some(_) => emit!(_s3store::WithOption<#path>),
            None => emit!(_s3store::With<#path>),
        };
    }
    if let Some((precision, scale)) = attrs.decimal.as_ref().and_then(|given| check::decimal_digits(&given.value)) {
        let scale = i8::try_from(scale).unwrap_or(i8::MAX);
        return emit!(_s3store::DecimalOf<#precision, #scale>);
    }
    let unit = match attrs.timestamp.as_ref().map(|given| given.value) {
        Some(Unit::Millis) => emit!(Milli),
        Some(Unit::Nanos) => emit!(Nano),
        Some(Unit::Micros) => emit!(Micro),
        None if attrs.exact.is_some() => emit!(Micro),
        None => return emit!(_s3store::Plain),
    };
    let precision = if attrs.exact.is_some() { emit!(Exact) } else { emit!(Truncate) };
    emit!(_s3store::Timestamp<_s3store::#unit, _s3store::#precision>)
}

/// `<String as _s3store::ColumnType<_s3store::Plain>>::item`, at the place of the type.
///
/// Generated code reaches a field's type by such paths alone: whatever it lacks is then said at the type in the user's
/// struct, and in the same words each time, which the compiler prints once.
fn item(field: &Field<'_>, encoding: &TokenStream, item: &str) -> TokenStream {
    let (ty, at) = (field.ty, located(field.ty.span()));
    let item = Ident::new(item, at);
    quote_spanned!(at=> <#ty as _s3store::ColumnType<#encoding>>::#item)
}

/// A call of [`item`].
fn call(field: &Field<'_>, encoding: &TokenStream, function: &str, arguments: &TokenStream) -> TokenStream {
    let function = item(field, encoding, function);
    quote_spanned!(located(field.ty.span())=> #function(#arguments))
}

/// The value of a field that is not there.
fn default(field: &Field<'_>) -> TokenStream {
    let ty = field.ty;
    match field.attrs.default.as_ref().map(|given| &given.value) {
        Some(DefaultAttr::Value(value)) => match &**value {
            syn::Expr::Lit(syn::ExprLit { lit: lit @ syn::Lit::Str(_), .. }) => {
                quote_spanned!(located(lit.span())=> <#ty as ::core::convert::From<&'static str>>::from(#lit))
            }
            value => emit!(#value),
        },
        Some(DefaultAttr::Type) | None if field.is_column() => {
            emit!(<#ty as _s3store::ColumnDefault>::column_default())
        }
        Some(DefaultAttr::Type) | None => emit!(<#ty as _s3store::SkippedDefault>::skipped_default()),
    }
}

/// The description of a field's column.
fn node(field: &Field<'_>, encoding: &TokenStream) -> TokenStream {
    let (name, aliases) = (field.column(), &field.attrs.alias);
    let single = call(field, encoding, "single", &default(field));
    let for_nulls = field.attrs.default.is_some();
    call(field, encoding, "node", &emit!(#name, &[#(#aliases),*], || #single, #for_nulls))
}

/// A local variable that no name of the user meets.
fn local(prefix: &str, index: usize) -> Ident {
    format_ident!("{prefix}{index}", span = Span::mixed_site())
}

/// A place in the user's code, for code that is still the macro's, so that no lint takes it for the user's.
fn located(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// The method of the partition `name`: the name itself, or the nearest that the language allows.
pub(crate) fn method(name: &str, span: Span) -> Ident {
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
    use std::path::Path;

    use syn::parse_quote;

    use super::*;

    /// `BLESS=1 cargo test -p s3store-derive` accepts what is printed now.
    #[test]
    fn a_rich_record_expands_as_it_did() {
        let record: DeriveInput = parse_quote! {
            #[record(
                partition_by(
                    charge_period,
                    region = region_of(customer_id),
                    month = format(calculated_at, "%Y-%m"),
                    "shard-no" = pad(shard, 4),
                ),
                dedup = "per_partition",
                views(SkuPeriod, other::ByCustomer),
                crate = ::s3store,
            )]
            pub struct Cost {
                #[record(entity)]
                charge_period: String,
                #[record(entity, rename = "customer", alias = "client")]
                customer_id: String,
                shard: u16,
                #[record(decimal(18, 6), default)]
                net_cost: Decimal,
                #[record(with = Hex)]
                color: Option<Color>,
                #[record(default = "EUR")]
                currency: String,
                #[record(skip)]
                cache: u32,
                #[record(version, timestamp = "ms", exact)]
                calculated_at: DateTime<Utc>,
                #[record(inserted_at)]
                inserted_at: Option<DateTime<Utc>>,
            }
        };
        let projection: DeriveInput = parse_quote! {
            #[record(projection_of = Cost, crate = ::s3store)]
            struct Narrow {
                currency: String,
                #[record(skip, default = 1)]
                rank: u8,
            }
        };
        let view: DeriveInput = parse_quote! {
            #[view(of = Cost, name = "sku_period", crate = ::s3store)]
            struct SkuPeriod {
                charge_period: String,
                #[view(from = calculated_at, format = "%Y-%m")]
                month: NaiveDate,
                #[view(with = bucket_of(net_cost, charge_period), rename = "cost-bucket")]
                bucket: Bucket,
            }
        };
        let nested: DeriveInput = parse_quote! {
            #[column(crate = ::s3store)]
            struct Address {
                street: String,
                #[column(alias = "postcode")]
                zip: Option<u32>,
            }
        };
        let newtype: DeriveInput = parse_quote! {
            #[column(crate = ::s3store)]
            struct Sku(String);
        };
        let text: DeriveInput = parse_quote! {
            #[column(rename_all = "UPPERCASE", crate = ::s3store)]
            enum Currency {
                Eur,
                #[column(alias = "dollar")]
                Usd,
            }
        };
        let integer: DeriveInput = parse_quote! {
            #[column(repr = "u8", crate = ::s3store)]
            enum State {
                Open = 1,
                Closed = 2,
            }
        };
        let records = [record, projection].into_iter().map(|input| super::record(&input)).chain([super::view(&view)]);
        let columns = [nested, newtype, text, integer].into_iter().map(|input| column_type(&input));
        let printed = prettyplease::unparse(&syn::parse2(records.chain(columns).collect()).unwrap());

        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/expanded.rs");
        if std::env::var_os("BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &printed).unwrap();
        }
        let blessed = std::fs::read_to_string(&path).unwrap();
        assert!(printed == blessed, "the expansion differs from {path:?}:\n{printed}");
    }

    #[test]
    fn every_partition_name_has_a_method() {
        let method = |name| method(name, Span::call_site()).to_string();
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
