//! What to do about a selection that leaves nothing.

use std::collections::BTreeSet;

use super::selection::Selection;
use policy_verify_model::nearest::nearest;
use policy_verify_model::suite::{Case, Suite};

/// Most tags that are listed.
const MOST_TAGS: usize = 20;

/// What to do about a selection that leaves nothing, the likeliest cure first.
pub(crate) fn advice(suites: &[Suite], selection: &Selection) -> Vec<String> {
    let mut advice: Vec<String> = suites.iter().filter(|suite| suite.cases.is_empty()).map(without_cases).collect();
    let cases: Vec<&Case> = suites.iter().flat_map(|suite| &suite.cases).collect();
    if !cases.is_empty() {
        advice.extend(selection.exact.iter().filter_map(|name| misspelt_name(name, &cases)));
        let tags: BTreeSet<&str> = cases.iter().flat_map(|case| &case.tags).map(String::as_str).collect();
        let wanted = selection.tags.iter().flat_map(|tags| &tags.0).filter(|(is_wanted, _)| *is_wanted);
        advice.extend(wanted.filter(|(_, tag)| !tags.contains(tag.as_str())).map(|(_, tag)| unknown_tag(tag, &tags)));
        advice.push("`verify list` prints the names".to_owned());
    }
    advice.push("a run without cases fails; to allow it: `--allow-empty`".to_owned());
    advice
}

fn without_cases(suite: &Suite) -> String {
    format!("`{}` has no cases: write `cases:`", suite.file.path)
}

fn misspelt_name(name: &str, cases: &[&Case]) -> Option<String> {
    if cases.iter().any(|case| case.id == name || case.name == name) {
        return None;
    }
    let known = cases.iter().flat_map(|case| [case.name.as_str(), case.id.as_str()]);
    Some(match nearest(name, known) {
        Some(near) => format!("no case is called `{name}`: did you mean `{near}`?"),
        None => format!("no case is called `{name}`"),
    })
}

fn unknown_tag(tag: &str, known: &BTreeSet<&str>) -> String {
    if known.is_empty() {
        return format!("no case has the tag `{tag}`, or any other: write `tags:`");
    }
    if let Some(near) = nearest(tag, known.iter().copied()) {
        return format!("no case has the tag `{tag}`: did you mean `{near}`?");
    }
    let listed: Vec<String> = known.iter().take(MOST_TAGS).map(|tag| format!("`{tag}`")).collect();
    let more = if known.len() > MOST_TAGS { " and others" } else { "" };
    format!("no case has the tag `{tag}`: the tags are {}{more}", listed.join(", "))
}
