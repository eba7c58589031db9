//! What text and Markdown say alike about two versions.

use policy_verify_model::behaviour::{Behaviour, Class, Difference};

use crate::{escape, phrases};

/// Lines of a case to paste.
const MOST_LINES: usize = 40;

/// Characters of a line of it.
const LONGEST_LINE: usize = 1_200;

/// The lines of a case, as many as people read.
pub(super) fn pasted(yaml: &str) -> Vec<String> {
    let all: Vec<&str> = yaml.lines().collect();
    let mut lines: Vec<String> =
        all.iter().take(MOST_LINES).map(|line| escape::shorten(line, LONGEST_LINE).into_owned()).collect();
    if let Some(more) = all.len().checked_sub(MOST_LINES + 1) {
        lines.push(format!("… {} more lines: `--format json` has all", more + 1));
    }
    lines
}

/// How many requests show a difference.
pub(super) fn number(difference: &Difference) -> String {
    match (difference.number, difference.is_searched) {
        (0, _) => "the module".to_owned(),
        (number, false) => phrases::count(number, "case"),
        (number, true) => phrases::count(number, "searched request"),
    }
}

/// What differs, in a line.
pub(super) fn verdict(behaviour: &Behaviour) -> String {
    if behaviour.is_identical {
        return "identical: the same module with the same metadata".to_owned();
    }
    if behaviour.differences.is_empty() {
        let nothing = if behaviour.compared == 0 { "nothing was compared" } else { "no difference" };
        return nothing.to_owned();
    }
    let of_class = |class: Class| Some((class, behaviour.number_of(class))).filter(|(_, number)| *number > 0);
    let numbers: Vec<String> =
        Class::ALL.into_iter().filter_map(of_class).map(|(class, number)| format!("{number} {class}")).collect();
    format!("{}: {}", phrases::count(behaviour.differences.len(), "difference"), numbers.join(", "))
}

/// What was compared and searched, and what was not.
pub(super) fn extent(behaviour: &Behaviour) -> Vec<String> {
    if behaviour.is_identical {
        return Vec::new();
    }
    let compared = phrases::count(behaviour.compared, "case");
    let mut first = vec![format!("{compared} compared, {} with a difference", behaviour.differing)];
    if let Some(sum) = behaviour.instructions.filter(|sum| sum.old > 0) {
        let percent = (sum.new as f64 / sum.old as f64 - 1.0) * 100.0;
        first.push(format!("{} → {} instructions ({percent:+.1} %)", sum.old, sum.new));
    }
    let mut lines = vec![first.join(" · ")];
    lines.push(match &behaviour.search {
        None => "no requests beyond the suites were searched".to_owned(),
        Some(search) if search.cases == 0 => {
            "no requests beyond the suites were searched: no case has the same verdict from both versions".to_owned()
        }
        Some(search) => {
            let requests = usize::try_from(search.requests).unwrap_or(usize::MAX);
            let mut facts = vec![
                format!(
                    "{} searched from {}",
                    phrases::count(requests, "request"),
                    phrases::count(search.cases, "case")
                ),
                "others were not".to_owned(),
            ];
            let mut add = |number: u64, text: &str| facts.extend((number > 0).then(|| format!("{number} {text}")));
            add(search.without_mock, "not compared, without a mock");
            add(search.unstable, "dropped, answered in several ways");
            facts.push(format!("seed {}", search.seed));
            facts.join(" · ")
        }
    });
    lines
}
