//! Parts of messages: the nearest valid name, and lists of names.

/// Returns the name that `word` is most likely a misspelling of, if one is near enough.
pub(crate) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let max_distance = word.chars().count().div_ceil(3);
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= max_distance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Returns the end of a message about a word that is not one of `names`: the nearest name, or else all of them.
pub(crate) fn suggestion(word: &str, names: &[&str]) -> String {
    match nearest(word, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("expected {}", one_of(names)),
    }
}

/// Returns the list `` `a`, `b` or `c` ``.
pub(crate) fn one_of(names: &[&str]) -> String {
    join(names, "or")
}

/// Returns the list `` `a`, `b` and `c` ``.
pub(crate) fn all_of(names: &[&str]) -> String {
    join(names, "and")
}

fn join(names: &[&str], conjunction: &str) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, first)) => format!("{} {conjunction} {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelled_name_is_found_and_an_unrelated_one_is_not() {
        let names = ["customer_id", "sku", "charge_period"];
        assert_eq!(nearest("custmer_id", names), Some("customer_id"));
        assert_eq!(nearest("skuu", names), Some("sku"));
        assert_eq!(nearest("SKU", names), Some("sku"));
        assert_eq!(nearest("region", names), None);
    }

    #[test]
    fn lists_end_with_a_conjunction() {
        assert_eq!(one_of(&["a"]), "`a`");
        assert_eq!(one_of(&["a", "b"]), "`a` or `b`");
        assert_eq!(all_of(&["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
