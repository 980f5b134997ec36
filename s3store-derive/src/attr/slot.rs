//! An attribute's value with its position.

use syn::Ident;
use syn::ext::IdentExt;

/// The value of an attribute, with the key that set it.
pub(crate) struct Given<T> {
    /// The attribute's key. Errors about the attribute point here.
    pub(crate) key: Ident,
    pub(crate) value: T,
}

/// An attribute that can be given at most once.
pub(crate) type Slot<T> = Option<Given<T>>;

/// Sets `slot`, or returns an error if the attribute was given before.
pub(super) fn fill<T>(slot: &mut Slot<T>, key: &Ident, value: T) -> syn::Result<()> {
    if slot.is_some() {
        return Err(syn::Error::new(key.span(), format!("`{}` is given twice: remove one", key.unraw())));
    }
    *slot = Some(Given { key: key.clone(), value });
    Ok(())
}
