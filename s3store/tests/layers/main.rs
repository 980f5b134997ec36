//! Checks that no module uses a module of a higher layer.
//!
//! The check follows the `mod` lines from `lib.rs`, without tests. It looks at every path that begins with `crate`, or
//! that reaches the crate's root by `super`: in `use` declarations, in expressions and in types.

mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use source::{Module, Reference};

/// The layers, lowest first. A module uses only layers before its own.
const LAYERS: [&str; 28] = [
    "error", "clock", "ids", "cpu", "metrics", "format", "pattern", "record", "codec", "merge", "spill", "schema",
    "s3", "dataset", "delta", "scan", "write", "read", "stream", "doctor", "copy", "view", "table", "publish", "sql",
    "testing", "cli", "guide",
];

/// Pairs of layers that must not use each other, although one comes before the other.
const INDEPENDENT: [(&str, &str); 2] = [("read", "write"), ("write", "scan")];

/// Layers that may use only a few others. The in-process S3 must not depend on the library that it tests.
const RESTRICTED: [(&str, &[&str]); 1] = [("testing", &["error", "format"])];

/// Modules inside a restricted layer to which the restriction does not apply.
const UNRESTRICTED: [&str; 3] = ["testing::files", "testing::fixture", "testing::instruments"];

/// Layers that know neither an async runtime nor S3.
const SYNCHRONOUS: [&str; 7] = ["format", "pattern", "record", "codec", "merge", "spill", "schema"];

/// Crates that synchronous layers must not use, by the start of their names.
const ASYNC_CRATES: [&str; 5] = ["tokio", "aws_", "futures", "s3s", "hyper"];

/// Returns the violation of a module's reference, if it is one. `roots` maps each name that `lib.rs` re-exports to its
/// layer.
fn violation(module: &str, reference: &Reference, roots: &BTreeMap<String, String>) -> Option<String> {
    let layer = module.split("::").next()?;
    let height = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    match reference {
        Reference::Root(name) => {
            let used = if height(name).is_some() { name } else { roots.get(name)? };
            if used == layer {
                return None;
            }
            let below = height(used) < height(layer);
            let independent = INDEPENDENT.contains(&(layer, used));
            let restricted = !UNRESTRICTED.contains(&module)
                && RESTRICTED.iter().any(|(name, allowed)| *name == layer && !allowed.contains(&used.as_str()));
            (!below || independent || restricted).then(|| format!("{layer} uses {used}"))
        }
        Reference::Crate(name) => {
            let forbidden = SYNCHRONOUS.contains(&layer) && ASYNC_CRATES.iter().any(|start| name.starts_with(start));
            forbidden.then(|| format!("{layer} uses the crate {name}"))
        }
    }
}

/// Checks all modules below `root`, the folder of `lib.rs`. Returns the violations and the number of references checked.
fn check(root: &Path) -> io::Result<(Vec<String>, usize)> {
    let lib = Module::parse(&fs::read_to_string(root.join("lib.rs"))?, 0);
    let roots: BTreeMap<_, _> = lib.exports.iter().cloned().collect();
    let (mut violations, mut checked) = (Vec::new(), 0);
    let mut open: Vec<(PathBuf, Vec<String>)> =
        lib.children.into_iter().map(|child| (root.to_owned(), vec![child])).collect();
    while let Some((folder, path)) = open.pop() {
        let (layer, name) = (&path[0], &path[path.len() - 1]);
        let [flat, nested] = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
        let file = if flat.exists() { flat } else { nested };
        let module = Module::parse(&fs::read_to_string(&file)?, path.len());
        if !LAYERS.contains(&layer.as_str()) {
            violations.push(format!("{}: {layer} is missing in the list of layers", file.display()));
        }
        for (line, reference) in &module.references {
            checked += 1;
            let found = violation(&path.join("::"), reference, &roots);
            violations.extend(found.map(|found| format!("{}:{line}: {found}", file.display())));
        }
        open.extend(module.children.into_iter().map(|child| {
            let path = path.iter().cloned().chain([child]).collect();
            (folder.join(name), path)
        }));
    }
    Ok((violations, checked))
}

#[test]
fn no_module_uses_a_higher_layer() {
    let (violations, checked) = check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    assert!(checked > 500, "only {checked} references were checked: modules were not found");
}

/// Returns the violations of a module `name` whose file contains `text`.
fn violations(name: &str, text: &str) -> Vec<String> {
    let roots = BTreeMap::from([("Store".to_owned(), "dataset".to_owned()), ("Error".to_owned(), "error".to_owned())]);
    let module = Module::parse(text, 1);
    module
        .references
        .iter()
        .filter_map(|(line, reference)| Some((line, violation(name, reference, &roots)?)))
        .map(|(line, found)| format!("{line}: {found}"))
        .collect()
}

#[test]
fn uses_of_higher_layers_are_found() {
    assert_eq!(violations("format", "use crate::error::Error;\nuse crate::s3::BucketClient;"), ["2: format uses s3"]);
    let group = "use crate::{\n    error::Error,\n    write::{Commit, self},\n    read::Read,\n};";
    assert_eq!(violations("s3", group), ["3: s3 uses write", "4: s3 uses read"]);
    assert_eq!(violations("codec", "fn f() -> u8 { crate::dataset::g() }"), ["1: codec uses dataset"]);
    assert_eq!(violations("codec", "fn f(x: &dyn crate :: read :: Y) {}"), ["1: codec uses read"]);
    assert_eq!(violations("merge", "use super::s3;"), ["1: merge uses s3"]);
    assert_eq!(violations("merge", "mod inner {\n use super::super::{error, view};\n}"), ["2: merge uses view"]);
    assert_eq!(violations("pattern", "type X = crate::Store<u8>;"), ["1: pattern uses dataset"]);
    assert_eq!(violations("ids", "macro_rules! m { () => { $crate::s3::x() } }"), ["1: ids uses s3"]);
}

#[test]
fn uses_of_independent_and_restricted_layers_are_found() {
    assert_eq!(violations("read", "use crate::write::Commit;"), ["1: read uses write"]);
    assert_eq!(violations("write", "use crate::read::Read;"), ["1: write uses read"]);
    assert_eq!(violations("testing", "use crate::{format::Offset, s3::BucketClient};"), ["1: testing uses s3"]);
    assert_eq!(violations("testing::fault", "use crate::read;"), ["1: testing uses read"]);
    assert_eq!(violations("testing::files", "use crate::read;"), [""; 0]);
    assert_eq!(violations("view", "use crate::testing::S3;"), ["1: view uses testing"]);
}

#[test]
fn uses_of_async_crates_in_synchronous_layers_are_found() {
    assert_eq!(violations("merge", "use tokio::sync::mpsc;"), ["1: merge uses the crate tokio"]);
    assert_eq!(violations("codec", "use {std::fmt, aws_sdk_s3::Client};"), ["1: codec uses the crate aws_sdk_s3"]);
    assert_eq!(violations("record", "fn f() { ::tokio::spawn(g()) }"), ["1: record uses the crate tokio"]);
    assert_eq!(violations("read", "use tokio::sync::mpsc;"), [""; 0]);
}

#[test]
fn allowed_references_pass() {
    let text = "
        //! Not a path: crate::s3. /* nor this: crate::view */
        use crate::error::{Error, Result};
        use super::clock::{self, Clock as Other};
        /* crate::s3 /* crate::read */ crate::write */
        pub(crate) fn f<'a>(c: char) -> crate::Error { g(\"crate::read\", 'c', r#\"crate::\"view\"#, c == '\"') }
        pub(in crate::codec) struct X;
        mod inner { use super::helper; use self::super::other; }
        #[cfg(test)]
        mod tests { use crate::view::Lookup; mod deeper { fn f() {} } }
        #[cfg(test)]
        use crate::testing::S3;
    ";
    assert_eq!(violations("codec", text), [""; 0]);
    let after = format!("{text}\nfn last() {{ crate::read::f() }}");
    assert_eq!(violations("codec", &after).len(), 1, "the scan continues after the comments and literals");
}

#[test]
fn modules_and_exports_are_followed() {
    let text = "mod a;\n#[cfg(test)]\nmod tests;\n#[cfg(feature = \"x\")]\npub mod b;\npub use a::{C, d::E as F};\npub use b::G;";
    let module = Module::parse(text, 0);
    assert_eq!(module.children, ["a", "b"]);
    let exports: Vec<_> = module.exports.iter().map(|(name, from)| format!("{name} of {from}")).collect();
    assert_eq!(exports, ["C of a", "F of a", "G of b"]);
}
