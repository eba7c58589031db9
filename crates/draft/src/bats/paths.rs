//! Paths of tests: relative to a folder, put together, and seen from the suite.

/// In front of paths that start at the root of the repository, as a path with `$BATS_TEST_DIRNAME` does.
pub(super) const ROOT: &str = "/\u{1}";

/// The path from the root of the repository, with `folder` as the folder that it is relative to; else the absolute path.
pub(super) fn join(folder: &str, path: &str) -> String {
    let path = match path.strip_prefix(ROOT) {
        Some(path) => path.trim_start_matches('/').to_owned(),
        None if path.starts_with('/') => return clean(path),
        None => format!("{folder}/{path}"),
    };
    clean(path.trim_start_matches('/'))
}

/// Without `.`, and without `..` where something is before it.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("{}{}", if path.starts_with('/') { "/" } else { "" }, parts.join("/"))
}

/// The folder of a file.
pub(super) fn folder(path: &str) -> String {
    path.rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.to_owned())
}

/// A path from the root, seen from a folder; `None` if it is outside of the root.
pub(super) fn seen_from(folder: &str, path: &str) -> Option<String> {
    if path.starts_with("..") || path.starts_with('/') {
        return None;
    }
    let folder: Vec<&str> = folder.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let path: Vec<&str> = path.split('/').collect();
    let common = folder.iter().zip(&path).take_while(|(left, right)| left == right).count();
    // The last part is a file, and stays.
    let common = common.min(path.len().saturating_sub(1));
    let up = std::iter::repeat_n("..", folder.len() - common);
    Some(up.chain(path[common..].iter().copied()).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_together_and_seen_from_the_suite() {
        for (folder, path, suite, seen) in [
            ("", "a.json", "", Some("a.json")),
            ("p", "test_data/a.json", "p", Some("test_data/a.json")),
            ("p", "./test_data/../a.json", "p/suites", Some("../a.json")),
            ("p", "../q/a.json", "p", Some("../q/a.json")),
            ("p", "../../a.json", "p", None),
            ("p", "/etc/a.json", "p", None),
            ("p", "/\u{1}/p/x/../a.json", "q", Some("../p/a.json")),
            ("p", "a.json", "p/a.json", Some("../a.json")),
        ] {
            assert_eq!(seen_from(suite, &join(folder, path)).as_deref(), seen, "{folder} {path} {suite}");
        }
    }
}
