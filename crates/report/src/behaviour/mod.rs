//! How two versions of a policy differ: the output of `verify diff`.

mod markdown;
mod sarif;
mod words;

use std::io;

use policy_verify_model::behaviour::{Behaviour, Class, Difference, PolicyVersion};

pub use self::markdown::markdown;
pub use self::sarif::sarif;
use self::words::{extent, number, pasted, verdict};
use crate::page::{BAD, BOLD, DIM, GOOD, ODD, PLACE, PLAIN, Page, piece};
use crate::phrases;
use crate::style::Style;

/// Characters of what a version does.
const LONGEST: usize = 300;

/// Reasons why cases were not compared.
const MOST_REASONS: usize = 10;

/// Digits of a digest that tell one from the other.
const DIGITS: usize = "sha256:".len() + 12;

/// Writes differences for people, the gravest first.
pub fn text(behaviour: &Behaviour, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(style, out);
    for (word, version) in [("old", &behaviour.old), ("new", &behaviour.new)] {
        page.entry(0, &[piece(format!("{word}  "), DIM), piece(facts(version), PLAIN)])?;
        for remark in &version.remarks {
            page.entry(5, &[piece(phrases::one_line(remark, LONGEST), ODD)])?;
        }
    }
    if let Some(warning) = &behaviour.warning {
        page.entry(0, &[piece("warning: ", ODD.bold()), piece(warning, PLAIN)])?;
    }
    page.blank()?;
    for difference in &behaviour.differences {
        self::difference(&mut page, difference)?;
        page.blank()?;
    }
    for left in behaviour.not_compared.iter().take(MOST_REASONS) {
        let what = format!("not compared, {}: ", phrases::count(left.number, "case"));
        let rest = format!("{}, such as {}", phrases::one_line(&left.reason, LONGEST), left.example);
        page.entry(0, &[piece(what, ODD), piece(rest, PLAIN)])?;
    }
    if let Some(more) = behaviour.not_compared.len().checked_sub(MOST_REASONS + 1) {
        page.line(0, &[piece(format!("… {} more reasons: `--format json` has all", more + 1), DIM)])?;
    }
    if !behaviour.not_compared.is_empty() {
        page.blank()?;
    }
    let colour = if behaviour.differences.is_empty() && behaviour.shows_something() { GOOD } else { BAD };
    page.entry(0, &[piece(verdict(behaviour), colour.bold())])?;
    for line in extent(behaviour) {
        page.entry(0, &[piece(line, DIM)])?;
    }
    Ok(())
}

fn difference(page: &mut Page<'_>, difference: &Difference) -> io::Result<()> {
    let colour = match difference.class {
        Class::NewDenial | Class::NewAllowance | Class::Faults => BAD,
        Class::Privilege | Class::OtherMutation => ODD,
        Class::Wording | Class::Cost | Class::Other => BOLD,
    };
    let title = format!("{} · {}", difference.class.title(), number(difference));
    let cause = phrases::one_line(&difference.cause, LONGEST);
    page.entry(0, &[piece(title, colour.bold()), piece(format!(": {cause}"), PLAIN)])?;
    for (word, does) in [("old", &difference.old), ("new", &difference.new)] {
        page.entry(2, &[piece(format!("{word}  "), DIM), piece(phrases::one_line(does, LONGEST), PLAIN)])?;
    }
    let Some(example) = &difference.example else { return Ok(()) };
    let place = format!("{}:{}", example.file, example.line);
    let from = if difference.is_searched { "from " } else { "" };
    let case = phrases::one_line(&example.case, LONGEST);
    page.entry(2, &[piece(from, DIM), piece(place, PLACE), piece(format!("  {case}"), DIM)])?;
    let Some(yaml) = &example.yaml else { return Ok(()) };
    page.blank()?;
    for line in pasted(yaml) {
        page.line(2, &[piece(line, PLAIN)])?;
    }
    Ok(())
}

fn facts(version: &PolicyVersion) -> String {
    let mut facts = vec![phrases::one_line(&version.uri, LONGEST)];
    facts.extend(version.version.as_ref().map(|it| format!("version {}", phrases::one_line(it, LONGEST))));
    facts.push(phrases::size(version.size));
    facts.push(version.digest.chars().take(DIGITS).collect());
    facts.extend(version.metadata.as_ref().map(|it| format!("metadata of {}", phrases::one_line(it, LONGEST))));
    facts.join(" · ")
}

#[cfg(test)]
mod tests {
    use policy_verify_model::behaviour::{Example, Instructions, NotCompared, Searched, Step};
    use serde_json::json;

    use super::*;
    use crate::testing::HOSTILE;

    fn version(text: &str) -> PolicyVersion {
        PolicyVersion {
            uri: text.into(),
            metadata: None,
            digest: format!("sha256:{}", "0".repeat(64)),
            size: 2048,
            version: Some(text.into()),
            remarks: vec![text.into()],
        }
    }

    pub(super) fn sample(text: &str) -> Behaviour {
        let example = Example {
            case: text.into(),
            file: "suite.yml".into(),
            line: 3,
            object: Some(json!({ "a": text })),
            yaml: Some(format!("- name: {text}\n")),
        };
        let difference = |class, number, is_searched| Difference {
            class,
            cause: text.into(),
            number,
            is_searched,
            old: "allow".into(),
            new: format!("deny: {text}"),
            example: (number > 0)
                .then(|| Example { yaml: example.yaml.clone().filter(|_| is_searched), ..example.clone() }),
        };
        Behaviour {
            version: "1".into(),
            old: version(text),
            new: version(text),
            is_identical: false,
            step: Some(Step::Patch),
            warning: Some("only a patch".into()),
            compared: 7,
            differing: 2,
            not_compared: vec![NotCompared { reason: text.into(), number: 1, example: text.into() }],
            instructions: Some(Instructions { old: 100, new: 110 }),
            differences: vec![
                difference(Class::NewDenial, 2, false),
                difference(Class::NewAllowance, 1, true),
                difference(Class::Privilege, 0, false),
            ],
            search: Some(Searched { seed: 7, cases: 5, requests: 640, without_mock: 1, unstable: 0 }),
        }
    }

    fn shown(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn differences_are_told_with_their_example_and_extent() {
        let text = shown(|out| text(&sample("missing"), Style::default(), out));
        for part in [
            "warning: only a patch\n",
            "new denial (breaking) · 2 cases: missing\n  old  allow\n  new  deny: missing\n  suite.yml:3  missing\n",
            "new allowance (security) · 1 searched request: missing\n",
            "  from suite.yml:3  missing\n\n  - name: missing\n",
            "privilege · the module: missing\n",
            "not compared, 1 case: missing, such as missing\n",
            "3 differences: 1 new-denial, 1 new-allowance, 1 privilege\n7 cases compared, 2 with a difference · 100 → 110 instructions (+10.0 %)\n\
             640 requests searched from 5 cases · others were not · 1 not compared, without a mock · seed 7\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let markdown = shown(|out| markdown(&sample("missing"), out));
        for part in [
            "## ❌ 3 differences",
            "| ❌ new denial",
            "2 cases",
            "```yaml\n- name: missing\n```",
            "640 requests searched",
        ] {
            assert!(markdown.contains(part), "{part}\n{markdown}");
        }
    }

    #[test]
    fn equal_versions_are_said_to_be_equal_as_far_as_was_looked() {
        let equal = Behaviour { differences: Vec::new(), not_compared: Vec::new(), warning: None, ..sample("a") };
        let text = shown(|out| text(&equal, Style::default(), out));
        assert!(text.contains("no difference\n") && text.contains("others were not"), "{text}");
        assert!(shown(|out| markdown(&equal, out)).starts_with("## ✅ no difference"));
        let nothing = Behaviour { compared: 0, ..equal };
        assert!(shown(|out| super::text(&nothing, Style::default(), out)).contains("nothing was compared\n"));
        assert!(shown(|out| markdown(&nothing, out)).starts_with("## ❌ nothing was compared"));
        let parsed: Behaviour = serde_json::from_str(&shown(|out| crate::json::write(&nothing, out))).unwrap();
        assert_eq!(parsed, nothing);
    }

    #[test]
    fn hostile_text_is_text() {
        for hostile in HOSTILE {
            let text = shown(|out| text(&sample(hostile), Style::default(), out));
            assert!(!text.contains('\u{1b}') && !text.contains("\n::") && !text.contains('\u{202e}'), "{text}");
            let markdown = shown(|out| markdown(&sample(hostile), out));
            let outside: String = markdown.split("```").step_by(2).collect();
            assert!(!markdown.contains('\u{1b}') && !markdown.contains("\n::"), "{markdown}");
            assert!(!outside.contains("<script") && !outside.contains("](http"), "{markdown}");
        }
    }

    #[test]
    fn a_comment_fits() {
        let mut many = sample(&"x".repeat(2_000));
        let one = many.differences[1].clone();
        many.differences = vec![one; 10_000];
        let markdown = shown(|out| markdown(&many, out));
        assert!(markdown.len() <= 65_536 && markdown.contains("more differences"), "{}", markdown.len());
    }
}
