//! The path by which generated code refers to s3store.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Ident, Path};

use crate::attr::Slot;

/// Returns the path of s3store: the one from `crate = …`, or else its name in the user's `Cargo.toml`.
pub(crate) fn path(given: &Slot<Path>) -> TokenStream {
    if let Some(given) = given {
        return given.value.to_token_stream();
    }
    match proc_macro_crate::crate_name("s3store") {
        Ok(proc_macro_crate::FoundCrate::Name(name)) => {
            let name = Ident::new(&name, Span::call_site());
            quote!(::#name)
        }
        // `Itself` covers the doc tests, examples and integration tests of s3store. An error means that s3store is not a
        // direct dependency: if `crate = …` is missing then, the compiler reports that `::s3store` was not found.
        Ok(proc_macro_crate::FoundCrate::Itself) | Err(_) => quote!(::s3store),
    }
}
