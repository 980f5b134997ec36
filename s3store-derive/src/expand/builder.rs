//! A builder of patterns: of a record's partitions, or of a view's columns.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote_spanned};
use syn::{Ident, Path};

use super::tokens::located;
use crate::names::method_name;
use crate::words::all_of;

/// The doc line for a value that is rendered as its type does.
pub(super) const TAKES_VALUE: &str =
    "Takes an exact value, `prefix(\"…\")`, or a half-open range if the text of the type sorts like its values.";

/// The doc line for a value that is a text.
pub(super) const TAKES_TEXT: &str = "Takes an exact text, `prefix(\"…\")`, or a half-open range of texts.";

/// Returns the doc line for a formatted time. `ordered` is `true` if the texts sort like the times.
pub(super) fn takes_time(ordered: bool) -> &'static str {
    if ordered {
        "Takes an exact time, `prefix(\"…\")`, or a half-open range of times."
    } else {
        "Takes an exact time or `prefix(\"…\")`. The format does not sort like the times, so it takes no range."
    }
}

/// A method of the builder: a column or a part of the partition, by which keys are selected.
pub(super) struct Selector<'n> {
    /// The name in keys.
    pub(super) name: &'n str,
    /// The position of the name.
    pub(super) span: Span,
    /// The type that determines which arguments the method takes.
    pub(super) kind: TokenStream,
    /// The type of the values, for the compiler's message.
    pub(super) ty: TokenStream,
    /// A doc phrase for the value: `` the field `sku` ``.
    pub(super) value: String,
    /// A doc line for the arguments that the method takes.
    pub(super) takes: &'static str,
}

/// Returns the type of values that are any text.
pub(super) fn text_type() -> TokenStream {
    emit!(::std::string::String)
}

/// The tokens of a builder, and its name.
pub(super) struct Builder {
    pub(super) items: TokenStream,
    pub(super) ident: Ident,
    /// The docs of the function that returns the builder. The builder itself has no page in the user's docs, because it is
    /// not an item of a module, so they list its methods.
    pub(super) docs: TokenStream,
}

impl Builder {
    /// Returns the builder `ident`, which selects `all` as long as no method is called. `formats` are the items that the
    /// selectors' kinds refer to.
    pub(super) fn new(ident: Ident, doc: &str, all: &str, selectors: &[Selector<'_>], formats: &TokenStream) -> Self {
        let names = selectors.iter().map(|selector| selector.name);
        let mut taken: Vec<Ident> = Vec::new();
        let mut methods = Vec::new();
        let summary = format!("Returns a builder that selects all {all}. Its methods narrow it:");
        let mut docs = emit!(#[doc = #summary] #[doc = ""]);
        for Selector { name, span, kind, ty, value, takes } in selectors {
            let mut method = method_name(name, *span);
            while taken.contains(&method) {
                method = format_ident!("{}_", method);
            }
            let doc = format!("Selects by `{name}`, which is {value}.");
            let line = format!("- `{method}(values)` selects by `{name}`, which is {value}. {takes}");
            docs.extend(emit!(#[doc = #line]));
            methods.push(quote_spanned! {located(*span)=>
                #[doc = #doc]
                #[doc = ""]
                #[doc = #takes]
                #[must_use]
                pub fn #method(self, values: impl _s3store::IntoSelection<#kind, #ty>) -> Self {
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
        Self { items, ident, docs }
    }
}

/// Returns the type `ident`, which renders the values of a column.
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

/// Returns the doc phrase for the result of a function.
pub(super) fn result_of(path: &Path, fields: &[Ident]) -> String {
    let function = path.segments.last().map_or_else(String::new, |segment| segment.ident.to_string());
    let fields: Vec<_> = fields.iter().map(ToString::to_string).collect();
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();
    format!("the result of `{function}` for {}", all_of(&fields))
}
