//! The layers hold: no module uses one that stands above it.
//!
//! Follows the `mod` lines from `lib.rs`, tests left out, and takes every path that begins with `crate` or climbs to the
//! crate's root by `super`: in `use` trees, in expressions and in types.

mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use source::{Module, Reference};

/// Lowest first. A module uses only what stands before it.
const LAYERS: [&str; 17] = [
    "error", "clock", "ids", "metrics", "format", "pattern", "record", "codec", "merge", "s3", "dataset", "write",
    "read", "stream", "doctor", "view", "testing",
];

/// Neighbours that do not know each other.
const STRANGERS: [(&str, &str); 1] = [("read", "write")];

/// What stands aside, with all that it may use: the in-process S3 shares with the library only what S3 itself shows.
const ASIDE: [(&str, &[&str]); 1] = [("testing", &["error", "format"])];

/// What is in such a layer and stands on top of all others.
const ON_TOP: [&str; 2] = ["testing::files", "testing::instruments"];

/// Plain code: it knows neither a runtime nor S3.
const PLAIN: [&str; 5] = ["format", "pattern", "record", "codec", "merge"];

/// The crates that plain code does not know, or the starts of their names.
const FOREIGN: [&str; 5] = ["tokio", "aws_", "futures", "s3s", "hyper"];

/// What is wrong with one reference of a module, if anything is. `roots` tells which layer a name at the crate's root is from.
fn judge(module: &str, reference: &Reference, roots: &BTreeMap<String, String>) -> Option<String> {
    let layer = module.split("::").next()?;
    let place = |name: &str| LAYERS.iter().position(|layer| *layer == name);
    match reference {
        Reference::Root(name) => {
            let used = if place(name).is_some() { name } else { roots.get(name)? };
            if used == layer {
                return None;
            }
            let below = place(used) < place(layer);
            let strangers = STRANGERS.contains(&(layer, used));
            let aside = !ON_TOP.contains(&module)
                && ASIDE.iter().any(|(aside, allowed)| *aside == layer && !allowed.contains(&used.as_str()));
            (!below || strangers || aside).then(|| format!("{layer} uses {used}"))
        }
        Reference::Crate(name) => {
            let foreign = PLAIN.contains(&layer) && FOREIGN.iter().any(|start| name.starts_with(start));
            foreign.then(|| format!("{layer} uses the crate {name}"))
        }
    }
}

/// All that is wrong below `root`, the folder of `lib.rs`; and how many references were looked at.
fn check(root: &Path) -> io::Result<(Vec<String>, usize)> {
    let lib = Module::parse(&fs::read_to_string(root.join("lib.rs"))?, 0);
    let roots: BTreeMap<_, _> = lib.exports.iter().cloned().collect();
    let (mut wrong, mut seen) = (Vec::new(), 0);
    let mut open: Vec<(PathBuf, Vec<String>)> =
        lib.children.into_iter().map(|child| (root.to_owned(), vec![child])).collect();
    while let Some((folder, path)) = open.pop() {
        let (layer, name) = (&path[0], &path[path.len() - 1]);
        let [flat, nested] = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
        let file = if flat.exists() { flat } else { nested };
        let module = Module::parse(&fs::read_to_string(&file)?, path.len());
        if !LAYERS.contains(&layer.as_str()) {
            wrong.push(format!("{}: {layer} has no place among the layers", file.display()));
        }
        for (line, reference) in &module.references {
            seen += 1;
            let fault = judge(&path.join("::"), reference, &roots);
            wrong.extend(fault.map(|fault| format!("{}:{line}: {fault}", file.display())));
        }
        open.extend(module.children.into_iter().map(|child| {
            let path = path.iter().cloned().chain([child]).collect();
            (folder.join(name), path)
        }));
    }
    Ok((wrong, seen))
}

#[test]
fn no_module_uses_one_above_it() {
    let (wrong, seen) = check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 500, "only {seen} references: the modules were not found");
}

/// What is wrong with the file of `name` if it says `text`.
fn faults(name: &str, text: &str) -> Vec<String> {
    let roots = BTreeMap::from([("Store".to_owned(), "dataset".to_owned()), ("Error".to_owned(), "error".to_owned())]);
    let module = Module::parse(text, 1);
    module
        .references
        .iter()
        .filter_map(|(line, reference)| Some((line, judge(name, reference, &roots)?)))
        .map(|(line, fault)| format!("{line}: {fault}"))
        .collect()
}

#[test]
fn what_runs_upwards_is_found() {
    assert_eq!(faults("format", "use crate::error::Error;\nuse crate::store::Bucket;"), ["2: format uses store"]);
    let group = "use crate::{\n    error::Error,\n    write::{Commit, self},\n    read::Read,\n};";
    assert_eq!(faults("store", group), ["3: store uses write", "4: store uses read"]);
    assert_eq!(faults("codec", "fn f() -> u8 { crate::dataset::g() }"), ["1: codec uses dataset"]);
    assert_eq!(faults("codec", "fn f(x: &dyn crate :: read :: Y) {}"), ["1: codec uses read"]);
    assert_eq!(faults("merge", "use super::store;"), ["1: merge uses store"]);
    assert_eq!(faults("merge", "mod inner {\n use super::super::{error, view};\n}"), ["2: merge uses view"]);
    assert_eq!(faults("pattern", "type X = crate::Store<u8>;"), ["1: pattern uses dataset"]);
    assert_eq!(faults("ids", "macro_rules! m { () => { $crate::store::x() } }"), ["1: ids uses store"]);
}

#[test]
fn strangers_and_what_stands_aside_are_told() {
    assert_eq!(faults("read", "use crate::write::Commit;"), ["1: read uses write"]);
    assert_eq!(faults("write", "use crate::read::Read;"), ["1: write uses read"]);
    assert_eq!(faults("testing", "use crate::{format::Offset, store::Bucket};"), ["1: testing uses store"]);
    assert_eq!(faults("testing::fault", "use crate::read;"), ["1: testing uses read"]);
    assert_eq!(faults("testing::files", "use crate::read;"), [""; 0]);
    assert_eq!(faults("view", "use crate::testing::S3;"), ["1: view uses testing"]);
}

#[test]
fn plain_code_knows_no_runtime() {
    assert_eq!(faults("merge", "use tokio::sync::mpsc;"), ["1: merge uses the crate tokio"]);
    assert_eq!(faults("codec", "use {std::fmt, aws_sdk_s3::Client};"), ["1: codec uses the crate aws_sdk_s3"]);
    assert_eq!(faults("record", "fn f() { ::tokio::spawn(g()) }"), ["1: record uses the crate tokio"]);
    assert_eq!(faults("read", "use tokio::sync::mpsc;"), [""; 0]);
}

#[test]
fn what_is_allowed_passes() {
    let text = "
        //! Not a path: crate::store. /* nor this: crate::view */
        use crate::error::{Error, Result};
        use super::clock::{self, Clock as Other};
        /* crate::store /* crate::read */ crate::write */
        pub(crate) fn f<'a>(c: char) -> crate::Error { g(\"crate::read\", 'c', r#\"crate::\"view\"#, c == '\"') }
        pub(in crate::codec) struct X;
        mod inner { use super::helper; use self::super::other; }
        #[cfg(test)]
        mod tests { use crate::view::Lookup; mod deeper { fn f() {} } }
        #[cfg(test)]
        use crate::testing::S3;
    ";
    assert_eq!(faults("codec", text), [""; 0]);
    let after = format!("{text}\nfn last() {{ crate::read::f() }}");
    assert_eq!(faults("codec", &after).len(), 1, "the scan goes on behind all of it");
}

#[test]
fn modules_and_exports_are_followed() {
    let text = "mod a;\n#[cfg(test)]\nmod tests;\n#[cfg(feature = \"x\")]\npub mod b;\npub use a::{C, d::E as F};\npub use b::G;";
    let module = Module::parse(text, 0);
    assert_eq!(module.children, ["a", "b"]);
    let exports: Vec<_> = module.exports.iter().map(|(name, from)| format!("{name} of {from}")).collect();
    assert_eq!(exports, ["C of a", "F of a", "G of b"]);
}
