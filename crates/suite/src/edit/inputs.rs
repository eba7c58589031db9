//! Whether a suite reads a file as something else than an expected document.

use glob::Pattern;
use policy_verify_model::source::SourceFile;

use super::tree::{Piece, Shape, Tree};

/// Whether a suite names the file at `path`, which is from the root like the suite's, outside of expectations. A variable may
/// stand for anything.
pub fn is_input(suite: &SourceFile, path: &str) -> bool {
    let Some(tree) = Tree::of(&suite.text) else { return true };
    let folder = suite.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    tree.documents().iter().any(|document| is_named(document, folder, path))
}

fn is_named(piece: &Piece, folder: &str, path: &str) -> bool {
    match &piece.shape {
        Shape::Scalar(text, _) => is_name_of(text, folder, path),
        Shape::Map(entries, _) => {
            entries.iter().filter(|entry| entry.name != "expect").any(|entry| is_named(&entry.value, folder, path))
        }
        _ => piece.parts().any(|part| is_named(part, folder, path)),
    }
}

fn is_name_of(text: &str, folder: &str, path: &str) -> bool {
    let written = text.strip_prefix("file://").unwrap_or(text);
    let name = written.rsplit_once('#').map_or(written, |(name, _)| name);
    let Some(last) = name.rsplit('/').next().filter(|_| name.len() < 4096) else { return false };
    let is_pattern = name.contains(['*', '?', '[']) || name.contains("${");
    if !is_pattern {
        return path.ends_with(last) && normal(folder, name) == path;
    }
    let mut pattern = String::new();
    let mut rest = name;
    while let Some((before, behind)) = rest.split_once("${") {
        pattern.push_str(before);
        pattern.push_str("**");
        rest = behind.split_once('}').map_or("", |(_, behind)| behind);
    }
    pattern.push_str(rest);
    // `**` has to be a part of its own; anything else is as good as a star.
    let pattern = normal(folder, &pattern).replace("**/", "*").replace("**", "*");
    Pattern::new(&pattern).is_ok_and(|pattern| pattern.matches(path))
}

/// A path from the root, without `.` and `..`.
fn normal(folder: &str, name: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_requests_are_inputs_and_expected_ones_are_not() {
        let input =
            |text: &str, path: &str| is_input(&SourceFile { path: "a/suite.yml".into(), text: text.into() }, path);
        for (text, path, is_one) in [
            ("cases: [{ object: pod.yaml }]", "a/pod.yaml", true),
            ("cases: [{ object: ./x/../pod.yaml#Pod/a }]", "a/pod.yaml", true),
            ("cases: [{ object: ../b/pod.yaml }]", "b/pod.yaml", true),
            ("cases: [{ object: pod.yaml }]", "pod.yaml", false),
            ("cases: [{ objects: '*.yaml' }]", "a/pod.yaml", true),
            ("cases: [{ objects: '**/*.yaml' }]", "a/b/c/pod.yaml", true),
            ("cases: [{ object: 'x/${kind}.yaml' }]", "a/x/pod.yaml", true),
            ("cases: [{ object: '${file}' }]", "a/x/pod.yaml", true),
            ("cases: [{ object: other.yaml, expect: { mutate: { exactly: pod.yaml } } }]", "a/pod.yaml", false),
            ("policies: { p: { settings: expected.json } }", "a/expected.json", true),
        ] {
            assert_eq!(input(text, path), is_one, "{text} {path}");
        }
    }
}
