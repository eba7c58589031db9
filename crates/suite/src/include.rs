//! The files of a suite: itself, and those that it includes.
//!
//! A file that is included is written like a suite. Its policies, groups, kinds, variables and cases are those of the suite
//! too; paths in it are relative to it, which [`Files`] knows. Each file counts once, however many others include it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use indexmap::IndexMap;

use super::files::Files;
use super::mistake::{Mistakes, mistake};
use super::read;
use super::schema::OneOrMany;
use super::yaml::{self, Content, Key, Node};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::{SourceFile, Span, Spanned};

/// Files that may include each other one after the other.
const DEEPEST: usize = 8;

/// Most files that a suite includes.
const MOST_FILES: usize = 200;

/// Bytes of all files that a suite includes, as values in memory.
const MOST_BYTES: usize = 256 << 20;

/// Keys of `defaults` of which a case has one: who writes one of them inherits none of the others.
const ALTERNATIVES: [&[&str]; 4] =
    [&["policy", "group", "chain"], &["object", "request", "raw"], &["settings", "variant"], &["replay", "order"]];

/// A file of a suite.
pub(crate) struct Part {
    pub(crate) root: Node,
    /// Which of the parts includes it; none for the suite.
    pub(crate) includer: Option<usize>,
}

/// The files of a suite, each behind those that it includes: the suite is the last one. Nothing where one of them is wrong.
pub(crate) fn parts(suite: &Arc<SourceFile>, root: Node, files: &Files, mistakes: &mut Mistakes) -> Option<Vec<Part>> {
    let before = mistakes.added();
    let path = files.suite().and_then(|path| path.canonicalize().ok());
    let mut reader = Reader { files, mistakes, found: Vec::new(), order: Vec::new(), seen: HashSet::new(), bytes: 0 };
    reader.seen.extend(path.clone());
    reader.add(root, path.unwrap_or_else(|| PathBuf::from(&suite.path)), None);
    let (found, order, is_whole) = (reader.found, reader.order, reader.mistakes.added() == before);
    is_whole.then(|| in_order(found, &order))
}

/// The parts in the order in which they are read, which changes their numbers.
fn in_order(found: Vec<Found>, order: &[usize]) -> Vec<Part> {
    let places: HashMap<usize, usize> = order.iter().enumerate().map(|(place, index)| (*index, place)).collect();
    let mut parts: Vec<(usize, Part)> = found
        .into_iter()
        .enumerate()
        .map(|(index, Found { root, includer, .. })| {
            (places[&index], Part { root, includer: includer.map(|includer| places[&includer]) })
        })
        .collect();
    parts.sort_by_key(|(place, _)| *place);
    parts.into_iter().map(|(_, part)| part).collect()
}

/// The files that are included, in their order.
pub(crate) fn included(parts: &[Part]) -> Vec<Arc<SourceFile>> {
    parts.iter().filter(|part| part.includer.is_some()).map(|part| Arc::clone(&part.root.span.file)).collect()
}

/// A file that was found; who includes comes before what is included.
struct Found {
    root: Node,
    path: PathBuf,
    includer: Option<usize>,
}

struct Reader<'a> {
    files: &'a Files,
    mistakes: &'a mut Mistakes,
    found: Vec<Found>,
    /// What is included comes before who includes it.
    order: Vec<usize>,
    /// Paths without links.
    seen: HashSet<PathBuf>,
    bytes: usize,
}

impl Reader<'_> {
    fn add(&mut self, root: Node, path: PathBuf, includer: Option<usize>) {
        let index = self.found.len();
        let named = root.get("include").and_then(|node| read::read::<OneOrMany<Spanned<String>>>(node, self.mistakes));
        self.found.push(Found { root, path, includer });
        for named in named.iter().flat_map(|named| &named.0) {
            if let Err(mistake) = self.include(named, index) {
                self.mistakes.push(mistake);
            }
        }
        self.order.push(index);
    }

    fn include(&mut self, named: &Spanned<String>, includer: usize) -> Result<(), Diagnostic> {
        if named.value.contains("${") {
            let message = format!("`include` cannot use variables: `{}`", named.value);
            let help = "write the path: the file may declare variables of its own";
            return Err(mistake(&named.span, message).with_code(Code::Variable).with_help(help.to_owned()));
        }
        for path in self.files.glob(named)? {
            let real = path.canonicalize().unwrap_or_else(|_| path.clone());
            let includers = self.includers(includer);
            if includers.iter().any(|index| self.found[*index].path == real) {
                return Err(self.circle(named, &includers, &real));
            }
            if !self.seen.insert(real.clone()) {
                continue;
            }
            if includers.len() > DEEPEST || self.found.len() > MOST_FILES {
                return Err(too_many(&named.span, includers.len() > DEEPEST));
            }
            let root = self.read(&path, named)?;
            if is_ours(&root, self.mistakes) {
                self.add(root, real, Some(includer));
            }
        }
        Ok(())
    }

    fn read(&mut self, path: &Path, named: &Spanned<String>) -> Result<Node, Diagnostic> {
        let file = self.files.counted_text(path).map_err(|mistake| mistake.at(&named.span))?;
        if file.text.trim().is_empty() {
            let message = format!("the included file `{}` is empty", file.path);
            return Err(mistake(&named.span, message).with_help("write `version: 1` and `cases:` into it".to_owned()));
        }
        self.files.include(path, &file);
        let root = yaml::parse_within(&file, self.files.limit)?;
        self.bytes += root.extent().0;
        match self.bytes > MOST_BYTES {
            true => Err(too_many(&named.span, false)),
            false => Ok(root),
        }
    }

    /// A part and those that include it, up to the suite.
    fn includers(&self, part: usize) -> Vec<usize> {
        std::iter::successors(Some(part), |index| self.found[*index].includer).collect()
    }

    fn circle(&self, named: &Spanned<String>, includers: &[usize], real: &Path) -> Diagnostic {
        let shown = |index: &usize| self.found[*index].root.span.file.path.clone();
        let start = includers.iter().position(|index| self.found[*index].path == real).unwrap_or_default();
        let mut names: Vec<String> = includers[..=start].iter().rev().map(shown).collect();
        names.extend(names.first().cloned());
        let message = format!("`{}` is included in a circle: {}", named.value, names.join(" → "));
        mistake(&named.span, message).with_help("remove one of these includes".to_owned())
    }
}

fn too_many(place: &Span, is_deep: bool) -> Diagnostic {
    let message = match is_deep {
        true => format!("files are included more than {DEEPEST} levels deep"),
        false => format!("the included files are more than {MOST_FILES}, or larger than {} MiB", MOST_BYTES >> 20),
    };
    mistake(place, message).with_help("include fewer files: name them in the suite itself".to_owned())
}

/// The variables of all files in their order. Who includes a file may give its variables other values.
pub(crate) fn variables<'a>(parts: &'a [Part], mistakes: &mut Mistakes) -> Vec<(&'a Key, &'a Node)> {
    let mut declared: IndexMap<&str, Vec<(usize, &Key, &Node)>> = IndexMap::new();
    for (index, part) in parts.iter().enumerate() {
        for (key, value) in part.root.get("vars").map(Node::entries).unwrap_or_default() {
            declared.entry(&key.name).or_default().push((index, key, value));
        }
    }
    let mut decided = |places: Vec<(usize, &'a Key, &'a Node)>| {
        let (last, others) = places.split_last()?;
        let (owner, key, value) = *last;
        if let Some((_, other, _)) = others.iter().find(|(index, ..)| !is_included_by(parts, *index, owner)) {
            let help = "rename one of them, or declare it in the suite, too: that value is then used";
            let mistake = mistake(&key.span, format!("duplicate variable `{}`", key.name)).with_code(Code::Variable);
            mistakes.push(mistake.with_help(help.to_owned()).with_related(&other.span, "also here"));
        }
        Some((key, value))
    };
    declared.into_values().filter_map(&mut decided).collect()
}

/// Whether a part is included by another one, be it through others.
fn is_included_by(parts: &[Part], part: usize, other: usize) -> bool {
    std::iter::successors(parts[part].includer, |index| parts[*index].includer).any(|index| index == other)
}

/// The defaults of the cases of a file: its own, and those of who includes it for what it does not say.
pub(crate) fn defaults(index: usize, frames: &[Node], includers: &[Option<usize>]) -> Option<Node> {
    let own = |index: usize| frames[index].get("defaults").filter(|node| matches!(node.content, Content::Map(_)));
    let chain = std::iter::successors(Some(index), |index| includers[*index]);
    let mut chain = chain.filter_map(own);
    let mut merged = chain.next()?.clone();
    for outer in chain {
        let Content::Map(entries) = &mut merged.content else { break };
        let is_given = |name: &str| {
            let words = ALTERNATIVES.iter().find(|words| words.contains(&name)).copied();
            entries.iter().any(|(key, _)| key.name == name || words.is_some_and(|it| it.contains(&key.name.as_str())))
        };
        let inherited: Vec<(Key, Node)> =
            outer.entries().iter().filter(|(key, _)| !is_given(&key.name)).cloned().collect();
        entries.extend(inherited);
    }
    Some(merged)
}

/// Adds the policies or groups of a file to those before. A name twice is a mistake that names both places.
pub(crate) fn extend<T>(
    what: &str,
    all: &mut Vec<(Spanned<String>, T)>,
    more: Vec<(Spanned<String>, T)>,
    mistakes: &mut Mistakes,
) {
    for (name, entry) in more {
        match all.iter().find(|(other, _)| other.value == name.value) {
            None => all.push((name, entry)),
            Some((other, _)) => {
                let mistake = mistake(&name.span, format!("duplicate {what} `{}`", name.value));
                let help = format!("rename this {what}, or the one in {}", other.span.file_and_line());
                mistakes.push(mistake.with_help(help).with_related(&other.span, "also here"));
            }
        }
    }
}

/// Keys that are about the whole suite, and so cannot be in a file that is included.
pub(crate) fn refuse_keys_of_suites(frame: &Node, mistakes: &mut Mistakes) {
    let defaults = frame.get("defaults").map(Node::entries).unwrap_or_default();
    let of_defaults = defaults.iter().filter(|(key, _)| ["compat", "relations"].contains(&&*key.name));
    let of_suites = frame.entries().iter().filter(|(key, _)| ["name", "kubewarden", "publish"].contains(&&*key.name));
    for (key, _) in of_suites.chain(of_defaults) {
        let mistake = mistake(&key.span, format!("`{}` cannot be in a file that is included", key.name));
        let help = "write it in the suite that includes the file".to_owned();
        mistakes.push(mistake.with_code(Code::Contradiction).with_help(help));
    }
}

/// Tells suites of other tools from ours before their keys are called unknown.
pub(crate) fn is_ours(root: &Node, mistakes: &mut Mistakes) -> bool {
    let text = |key: &str| root.get(key).and_then(Node::as_str).unwrap_or_default();
    if text("kind") == "Suite" && text("apiVersion").starts_with("test.gatekeeper.sh") {
        mistakes.add_with_help(
            &root.span,
            "this is a suite of Gatekeeper's `gator`, not of verify",
            "run it with `gator verify`; suites of verify start with `version: 1`",
        );
        return false;
    }
    let is_manifest = !text("kind").is_empty() && !text("apiVersion").is_empty() && root.get("version").is_none();
    if is_manifest {
        let place = root.entries().iter().find(|(key, _)| key.name == "kind").map_or(&root.span, |(_, it)| &it.span);
        mistakes.add_with_help(
            place,
            format!("this is a Kubernetes manifest (`{}`), not a suite", text("kind")),
            "write a suite that starts with `version: 1` and names the manifest: `object: pod.yaml`",
        );
        return false;
    }
    if !matches!(root.content, Content::Map(_)) {
        let help = "write `version: 1`, followed by `policies:` and `cases:`";
        mistakes.add_with_help(
            &root.span,
            format!("invalid suite: expected a mapping, found {}", root.description()),
            help,
        );
        return false;
    }
    true
}
