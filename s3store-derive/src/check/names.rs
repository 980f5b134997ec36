//! Checks of names that become part of object keys.

use proc_macro2::Span;

use crate::ctxt::Ctxt;

/// Checks a name that becomes the `name` of `name=value` in keys. `what` is the noun for the named thing.
pub(super) fn column(cx: &Ctxt, name: &str, span: Span, what: &str) {
    if let Some(letter) = name.chars().find(|letter| matches!(letter, '=' | '/')) {
        let message = format!("the name of {what} must not contain `{letter}`: keys are `name=value/name=value`");
        cx.error_at(span, message);
    } else {
        segment(cx, name, span, what);
    }
}

/// Checks a name that becomes a segment of keys.
pub(super) fn segment(cx: &Ctxt, name: &str, span: Span, what: &str) {
    let problem = if name.is_empty() {
        "must not be empty"
    } else if name.contains('/') {
        "must not contain `/`: it becomes part of keys"
    } else if name.contains("..") {
        "must not contain `..`: it becomes part of keys"
    } else if name.chars().any(char::is_control) {
        "must not contain control characters: it becomes part of keys"
    } else {
        return;
    };
    cx.error_at(span, format!("the name of {what} {problem}"));
}
