//! The layers of the library: each module uses only those that stand before it, and within a folder
//! no files import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, Macro, UseTree, Visibility};

/// The modules below `lib.rs`, from the lowest layer to the highest. Those of the first row use
/// nothing of the library.
const LAYERS: [&[&str]; 13] = [
    &["limits", "budget", "syntax", "prefetch", "reuse", "sha256"],
    &["error", "cid"],
    &["varint", "cbor"],
    &["shape"],
    &["car"],
    &["signature", "commit", "path", "record", "testing"],
    &["store"],
    &["mst"],
    &["process"],
    &["records", "repo"],
    &["load", "proof"],
    &["sync"],
    &["guide"],
];

/// The one circle that may stay: an error names CIDs, and parsing a CID returns errors.
const MUTUAL: [&str; 2] = ["error", "cid"];

/// A module by its path below the crate; `lib.rs` is empty.
type Module = Vec<String>;

/// What a file says of its imports.
#[derive(Default)]
struct Imports {
    /// Every path of more than one part, and every path of a `use`.
    paths: BTreeSet<Vec<String>>,
    /// Names that are re-exported, and the paths that they stand for.
    exports: BTreeMap<String, Vec<String>>,
}

impl Visit<'_> for Imports {
    fn visit_item_mod(&mut self, item: &ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        if is_test(&item.attrs) {
            return;
        }
        let is_private = matches!(item.vis, Visibility::Inherited);
        let mut paths = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut paths);
        for (name, path) in paths {
            // A module that re-exports parts of itself does not depend on them.
            let is_of_others = ["crate", "super"].contains(&path[0].as_str());
            if is_private || is_of_others {
                self.paths.insert(path.clone());
            }
            if !is_private {
                self.exports.insert(name, path);
            }
        }
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let path: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if path.len() > 1 {
            self.paths.insert(path);
        }
    }

    fn visit_macro(&mut self, item: &Macro) {
        self.visit_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }
}

impl Imports {
    /// Arguments of macros are no syntax yet: paths in them are found by their tokens.
    fn visit_tokens(&mut self, tokens: TokenStream) {
        let mut path = Vec::new();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => path.push(ident.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == ':' => continue,
                TokenTree::Group(group) => {
                    self.visit_tokens(group.stream());
                    path.clear();
                }
                _ => path.clear(),
            }
            if is_of_crate(&path) {
                self.paths.insert(path.clone());
            }
        }
    }
}

fn is_of_crate(path: &[String]) -> bool {
    path.len() > 1 && ["crate", "self", "super"].contains(&path[0].as_str())
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

/// The names that a `use` brings in, with their whole paths.
fn flatten(tree: &UseTree, prefix: &mut Vec<String>, out: &mut Vec<(String, Vec<String>)>) {
    let mut add = |name: String, last: String| {
        let mut path = prefix.clone();
        // `a::{self}` is `a`.
        path.extend((last != "self").then_some(last));
        out.push((name, path));
    };
    match tree {
        UseTree::Path(part) => {
            prefix.push(part.ident.to_string());
            flatten(&part.tree, prefix, out);
            prefix.pop();
        }
        UseTree::Group(group) => group.items.iter().for_each(|item| flatten(item, prefix, out)),
        UseTree::Name(name) => add(name.ident.to_string(), name.ident.to_string()),
        UseTree::Rename(name) => add(name.rename.to_string(), name.ident.to_string()),
        UseTree::Glob(_) => add("*".to_owned(), "*".to_owned()),
    }
}

/// The files of a crate, and what each imports.
struct Files(BTreeMap<Module, Imports>);

impl Files {
    fn parse<'a>(sources: impl IntoIterator<Item = (Module, &'a str)>) -> Self {
        let parse = |(module, source): (Module, &str)| {
            let mut imports = Imports::default();
            imports.visit_file(&syn::parse_file(source).unwrap());
            (module, imports)
        };
        Files(sources.into_iter().map(parse).collect())
    }

    /// The module that a path in `from` leads to, through re-exports.
    fn resolve(&self, from: &Module, path: &[String]) -> Module {
        let mut at = from.clone();
        let mut rest = &path[1..];
        match path[0].as_str() {
            "crate" => at.clear(),
            "super" => drop(at.pop()),
            "self" => {}
            // A part of the module itself, or else nothing of the library.
            part if self.0.contains_key(&[&at[..], &[part.to_owned()]].concat()) => rest = path,
            _ => return at,
        }
        while let [next, others @ ..] = rest {
            if next == "super" {
                at.pop();
            } else {
                at.push(next.clone());
                if !self.0.contains_key(&at) {
                    at.pop();
                    let export = self.0.get(&at).and_then(|imports| imports.exports.get(next));
                    return export.map_or(at.clone(), |path| self.resolve(&at, path));
                }
            }
            rest = others;
        }
        at
    }

    /// For each file the other files that it depends on.
    fn edges(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let edges =
            self.0.iter().filter(|(module, _)| !module.is_empty()).map(|(from, imports)| {
                let to = imports.paths.iter().map(|path| self.resolve(from, path));
                (from, to.filter(|to| to != from).collect())
            });
        edges.collect()
    }

    /// Every import that leads upwards, and every circle within a folder.
    fn faults(&self) -> Vec<String> {
        let edges = self.edges();
        let mut faults = Vec::new();
        for (from, all) in &edges {
            for to in all {
                if !is_allowed(from, to) {
                    faults.push(format!("{} uses {}", from.join("/"), to.join("/")));
                }
            }
        }
        for from in edges.keys() {
            if reaches_itself(&edges, from) {
                faults.push(format!("{} is part of a circle", from.join("/")));
            }
        }
        faults
    }
}

/// Whether a file may use another by the order of their layers.
fn is_allowed(from: &Module, to: &Module) -> bool {
    let Some(top) = to.first() else {
        // What is defined in `lib.rs` itself belongs to no layer.
        return false;
    };
    if from[0] == *top || MUTUAL.contains(&from[0].as_str()) && MUTUAL.contains(&top.as_str()) {
        return true;
    }
    let order: Vec<&str> = LAYERS.concat();
    let rank = |name: &str| order.iter().position(|layer| *layer == name);
    let is_lowest = LAYERS[0].contains(&from[0].as_str());
    match (rank(&from[0]), rank(top)) {
        (Some(from), Some(to)) => to < from && !is_lowest,
        _ => false,
    }
}

/// Whether imports lead from a file back to it, within its folder.
fn reaches_itself(edges: &BTreeMap<&Module, BTreeSet<Module>>, from: &Module) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(file) = open.pop() {
        for to in edges.get(file).into_iter().flatten().filter(|to| to.first() == from.first()) {
            if to == from {
                return true;
            }
            if seen.insert(to) {
                open.push(to);
            }
        }
    }
    false
}

fn module(path: &str) -> Module {
    path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The sources below a folder, by their modules.
fn sources(folder: &Path, prefix: &Module, out: &mut Vec<(Module, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let mut module = prefix.clone();
        if path.is_dir() {
            module.push(name);
            sources(&path, &module, out);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            module.extend((!["mod", "lib"].contains(&name.as_str())).then_some(name));
            out.push((module, fs::read_to_string(path).unwrap()));
        }
    }
}

#[test]
fn every_module_uses_only_those_below_it_and_no_folder_has_a_circle() {
    let mut all = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &Vec::new(), &mut all);
    let files = Files::parse(all.iter().map(|(module, source)| (module.clone(), &source[..])));
    let edges: usize = files.edges().values().map(BTreeSet::len).sum();
    assert!(files.0.len() > 50 && edges > 200, "{} files, {edges} imports", files.0.len());
    let faults = files.faults();
    assert!(faults.is_empty(), "{faults:#?}");
    let tops: BTreeSet<&str> = files.0.keys().filter_map(|file| Some(&**file.first()?)).collect();
    assert_eq!(tops, LAYERS.concat().into_iter().collect(), "every module has a layer");
}

#[test]
fn an_import_that_leads_upwards_is_found_however_it_is_written() {
    let faults = |source: &str| {
        let lib = "pub mod mst; pub mod store; pub use self::mst::walk::Walker;";
        let files = [
            ("", lib),
            ("mst", "pub mod walk;"),
            ("mst/walk", "use crate::store::Store; pub struct Walker;"),
            ("store", source),
        ];
        Files::parse(files.map(|(name, source)| (module(name), source))).faults()
    };
    assert!(faults("pub struct Store;").is_empty());
    assert!(faults("#[cfg(test)] mod tests { use crate::mst::walk::Walker; }").is_empty());
    assert!(faults("/// [`Walker`](crate::Walker)\npub struct Store;").is_empty());
    for source in [
        "use crate::mst::walk::Walker;",
        "use crate::{mst::{walk}};",
        "use crate::Walker;",
        "use super::mst::walk as other;",
        "fn f() { let _ = crate::mst::walk::Walker; }",
        "fn f(_: &crate::Walker) {}",
        "fn f() { println!(\"{}\", g(crate::Walker)); }",
    ] {
        assert_eq!(faults(source), ["store uses mst/walk"], "{source}");
    }
    assert_eq!(faults("use crate::Unknown;"), ["store uses "]);
    assert!(faults("use std::fmt; fn f() { walk::g(); Walker::h(); }").is_empty());
}

#[test]
fn a_circle_within_a_folder_is_found() {
    let faults = |one: &str, two: &str| {
        let files = [("", "mod car;"), ("car", "mod a; mod b; pub use self::a::A;")];
        let files = files.into_iter().chain([("car/a", one), ("car/b", two)]);
        Files::parse(files.map(|(name, source)| (module(name), source))).faults()
    };
    assert!(faults("use super::b::B; pub struct A;", "pub struct B;").is_empty());
    let circle = ["car/a is part of a circle", "car/b is part of a circle"];
    assert_eq!(faults("use super::b::B;", "use super::a::A;"), circle);
    assert_eq!(faults("use super::b::B;", "use crate::car::A;"), circle);
    // A module that uses a part of itself, which uses the module.
    for source in ["mod a; use a::A;", "mod a; fn f() { a::g(); }", "mod a; use self::a::A;"] {
        let files = [("", "mod car;"), ("car", source), ("car/a", "use super::f;")];
        let files = Files::parse(files.map(|(name, source)| (module(name), source)));
        assert_eq!(files.faults(), ["car is part of a circle", "car/a is part of a circle"]);
    }
}
