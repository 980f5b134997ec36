//! How generated code reaches s3store.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Ident, Path};

use crate::attr::Slot;

/// The path of the crate: what `crate = …` says, or else its name in the user's `Cargo.toml`.
pub(crate) fn path(given: &Slot<Path>) -> TokenStream {
    if let Some(given) = given {
        return given.value.to_token_stream();
    }
    match proc_macro_crate::crate_name("s3store") {
        Ok(proc_macro_crate::FoundCrate::Name(name)) => {
            let name = Ident::new(&name, Span::call_site());
            quote!(::#name)
        }
        // Within the package itself this is its doctests, examples and integration tests. Where it is no dependency
        // by itself, some other crate hands it on, and `crate = …` is missing: the compiler says what it looked for.
        Ok(proc_macro_crate::FoundCrate::Itself) | Err(_) => quote!(::s3store),
    }
}
