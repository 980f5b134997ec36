//! A builder of patterns: of a record's partitions, or of a view's columns.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{Ident, Path};

use super::{located, method};
use crate::words::all_of;

/// What selects the values of a column whose rendering is their type's, in words.
pub(super) const ANY: &str = "an exact value, `prefix(\"…\")`, or a half-open range where the text keeps the order.";

/// A column that is selected by.
pub(super) struct Column<'n> {
    /// Its name in keys.
    pub(super) name: &'n str,
    /// Where the name stands.
    pub(super) span: Span,
    /// What selects its values, as a type.
    pub(super) kind: TokenStream,
    /// What selects its values, in words.
    pub(super) what: String,
}

/// A builder, as it is printed.
pub(super) struct Builder {
    pub(super) items: TokenStream,
    pub(super) ident: Ident,
}

impl Builder {
    /// The builder `ident`, and the `formats` that its columns refer to.
    pub(super) fn new(ident: Ident, doc: &str, columns: &[Column<'_>], formats: &TokenStream) -> Self {
        let names = columns.iter().map(|column| column.name);
        let mut taken: Vec<Ident> = Vec::new();
        let mut methods = Vec::new();
        for Column { name, span, kind, what } in columns {
            let mut method = method(name, *span);
            while taken.contains(&method) {
                method = format_ident!("{}_", method);
            }
            let doc = format!("Selects by `{name}`, {what}");
            methods.push(quote_spanned! {located(*span)=>
                #[doc = #doc]
                #[must_use]
                pub fn #method(self, values: impl _s3store::IntoSelection<#kind>) -> Self {
                    Self(self.0.with(#name, values))
                }
            });
            taken.push(method);
        }
        let items = emit! {
            #[doc = #doc]
            #[derive(::core::clone::Clone, ::core::fmt::Debug)]
            pub struct #ident(_s3store::PatternBuilder);

            impl #ident {
                fn all() -> Self {
                    Self(_s3store::PatternBuilder::new(&[#(#names),*]))
                }

                #(#methods)*
            }

            impl _s3store::Sealed for #ident {}

            #[automatically_derived]
            impl _s3store::IntoPatterns for #ident {
                fn into_patterns(
                    self,
                    names: &[&::core::primitive::str],
                ) -> _s3store::Result<::std::vec::Vec<_s3store::Pattern>> {
                    self.0.into_patterns(names)
                }
            }

            #formats
        };
        Self { items, ident }
    }
}

/// The type `ident` that renders the values of a column.
pub(super) fn rendering(ident: &Ident, ty: &TokenStream, render: &TokenStream, ordered: bool) -> TokenStream {
    let ordered = ordered.then(|| emit!(impl _s3store::Ordered for #ident {}));
    emit! {
        #[doc(hidden)]
        pub enum #ident {}

        #[automatically_derived]
        impl _s3store::PartitionFormat for #ident {
            type Value = #ty;
            fn render(value: &#ty) -> _s3store::Result<::std::string::String> {
                ::core::result::Result::Ok(#render?)
            }
        }

        #ordered
    }
}

/// What selects values that a format makes, in words.
pub(super) fn of_time(ordered: bool) -> String {
    let ranges = if ordered { ", or a half-open range" } else { "" };
    format!("an exact time, `prefix(\"…\")`{ranges}.")
}

/// What a function makes of fields, in words.
pub(super) fn made_by(path: &Path, fields: &[Ident]) -> String {
    let function = path.segments.last().map_or_else(String::new, |segment| segment.ident.to_string());
    let fields: Vec<_> = fields.iter().map(ToString::to_string).collect();
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();
    format!("what `{function}` makes of {}", all_of(&fields))
}
