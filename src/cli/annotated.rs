//! Modules that tests of bats run are annotated by kwctl before. A suite attaches the metadata itself, so it names the module
//! as the compiler made it.

use std::path::Path;

use policy_verify::draft::Draft;
use policy_verify::model::yaml::emit::Node;
use policy_verify::read_text;
use serde_json::Value;

use super::makefile::Makefile;

/// How names of annotated modules begin.
const PREFIXES: [&str; 2] = ["annotated-", "annotated_"];

/// Bytes of metadata.
const LONGEST: u64 = 1 << 20;

/// Replaces annotated modules by what they are made of, where that is there or made by the Makefile. `folder` is that of the
/// suite.
pub(super) fn take_apart(draft: &mut Draft, folder: &Path) {
    for policy in draft.policies.values_mut() {
        if let Node::Map(members) = policy
            && let Some(Node::Text(uri)) = members.get("uri")
            && let Some(source) = source(uri, folder)
        {
            members.insert("uri".to_owned(), Node::text(source.module));
            members.shift_insert(1, "metadata".to_owned(), Node::text(source.metadata));
            if members.get("executionMode") == Some(&Node::text(source.execution_mode)) {
                members.shift_remove("executionMode");
            }
        }
    }
}

/// What an annotated module is made of, as paths from the suite.
struct Source {
    module: String,
    metadata: String,
    execution_mode: String,
}

fn source(uri: &str, folder: &Path) -> Option<Source> {
    if uri.contains("://") {
        return None;
    }
    let (parent, name) = uri.rsplit_once('/').map_or(("", uri), |(parent, name)| (parent, name));
    let module = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let here = folder.join(parent);
    let is_built = here.join(module).is_file() || Makefile::of(&here).prerequisites(module).is_some();
    let metadata = ["metadata.yml", "metadata.yaml"].into_iter().find(|name| here.join(name).is_file());
    let metadata = metadata.filter(|_| is_built)?;
    let text = read_text(&here.join(metadata), LONGEST).unwrap_or_default();
    let document: Value = serde_saphyr::from_str(&text).unwrap_or_default();
    let execution_mode = document["executionMode"].as_str().unwrap_or_default().to_owned();
    let seen = |name: &str| if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
    Some(Source { module: seen(module), metadata: seen(metadata), execution_mode })
}
