use std::collections::BTreeMap;

use policy_verify_model::rehearsal::{Audit, Counts, Differences, NamespaceResult, Note, Unread, WorkloadResult};

use super::*;
use crate::testing::HOSTILE;

fn place(text: &str) -> ObjectPlace {
    ObjectPlace {
        object: format!("Pod {text}"),
        workload: format!("Deployment {text}"),
        file: "dump.yaml".into(),
        line: 7,
    }
}

fn sample(text: &str) -> Rehearsal {
    let counts = Counts { rejected: 2, mutated: 1, allowed: 5, not_asked: 3, ..Counts::default() };
    let finding = |verdict, number| Finding {
        verdict,
        cause: text.into(),
        number,
        message: format!("{text}!"),
        example: Some(place(text)),
    };
    let change = |class| PolicyChange {
        policy: text.into(),
        class,
        cause: text.into(),
        number: 3,
        old: "allow".into(),
        new: format!("deny: {text}"),
        example: Some(place(text)),
    };
    let policies = BTreeMap::from([(text.to_owned(), counts)]);
    Rehearsal {
        version: "1".into(),
        objects: 11,
        rejected_objects: 2,
        rejected_workloads: 1,
        repeated: 1,
        unread: vec![Unread {
            reason: text.into(),
            help: Some(text.into()),
            number: 4,
            file: "dump.yaml".into(),
            line: 9,
        }],
        passed_over: vec![Unread { reason: text.into(), help: None, number: 2, file: "dump.yaml".into(), line: 9 }],
        policies: vec![
            PolicyResult {
                name: text.into(),
                uri: text.into(),
                digest: Some(format!("sha256:{}", "0".repeat(64))),
                is_monitor: true,
                counts,
                audit: Audit { skipped: None, pass: 5, fail: 3, error: 0 },
                findings: vec![finding(Verdict::Rejected, 2), finding(Verdict::Mutated, 1)],
                notes: vec![Note { text: text.into(), number: 2 }],
                ..PolicyResult::default()
            },
            PolicyResult {
                name: "quiet".into(),
                audit: Audit { skipped: Some(text.into()), ..Audit::default() },
                ..PolicyResult::default()
            },
            PolicyResult { name: "gone".into(), unavailable: Some(text.into()), ..PolicyResult::default() },
        ],
        namespaces: vec![NamespaceResult {
            name: text.into(),
            objects: 11,
            rejected_objects: 2,
            counts,
            policies: policies.clone(),
        }],
        workloads: vec![WorkloadResult {
            namespace: text.into(),
            kind: "Deployment".into(),
            name: text.into(),
            objects: 3,
            rejected_objects: 2,
            counts,
            policies,
        }],
        differences: Some(Differences {
            added: vec![text.into()],
            removed: Vec::new(),
            same: 8,
            changes: vec![change(Class::NewDenial), change(Class::Wording)],
        }),
        warnings: vec![text.into()],
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
    let mut bytes = Vec::new();
    write(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn all(rehearsal: &Rehearsal) -> [String; 3] {
    [
        written(|out| text(rehearsal, Style::default(), out)),
        written(|out| markdown(rehearsal, out)),
        written(|out| html(rehearsal, out)),
    ]
}

#[test]
fn every_format_tells_everything() {
    let [text, markdown, html] = all(&sample("missing label"));
    for part in [
        "3 policies · 11 objects in 1 namespace · 8 verdicts\n",
        "missing label (monitor)         2       0        1          0        5          3  3 fail, 5 pass\n",
        "gone                     unavailable\n",
        "rejected · missing label · 2 objects: missing label\n  missing label!\n  dump.yaml:7  Pod missing label of Deployment missing label and 1 more\n",
        "quiet: not audited: missing label\n",
        "new denial (breaking) · missing label · 3 objects: missing label\n  old  allow\n  new  deny: missing label\n",
        "against the old policies: 3 new-denial · 3 wording · 8 the same · new: missing label\n",
        "not read · 4 objects: missing label\n  dump.yaml:9  missing label\n",
        "2 of 11 objects would be rejected, of 1 workload · 1 mutation · 4 not read · 1 policy unavailable\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    for part in [
        "## ❌ 2 of 11 objects",
        "| missing label (monitor) | 2 | 0 | 1 | 0 | 5 | 3 | 3 fail, 5 pass |",
        "| 4 | missing label |",
    ] {
        assert!(markdown.contains(part), "{part}\n{markdown}");
    }
    for part in [
        "<h1>✗ 2 of 11 objects",
        "<span class=\"tag bad\">rejected</span>",
        "<code>dump.yaml:7</code>",
        "class=\"h2\">2</td>",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
}

#[test]
fn a_good_rehearsal_says_so() {
    let counts = Counts { allowed: 4, ..Counts::default() };
    let policy = PolicyResult { name: "a".into(), counts, ..PolicyResult::default() };
    let good = Rehearsal { objects: 4, policies: vec![policy], ..Rehearsal::default() };
    let [text, markdown, html] = all(&good);
    assert!(text.ends_with("none of 4 objects would be rejected\n"), "{text}");
    assert!(markdown.starts_with("## ✅ none of 4") && html.contains("<body class=\"is-good\">"));
    let nothing = Rehearsal::default();
    assert!(all(&nothing).iter().all(|text| text.contains("no policy was asked")));
    let parsed: Rehearsal = serde_json::from_str(&written(|out| crate::json::write(&sample("a"), out))).unwrap();
    assert_eq!(parsed, sample("a"));
}

#[test]
fn hostile_text_is_text() {
    for hostile in HOSTILE {
        let [text, markdown, html] = all(&sample(hostile));
        assert!(!text.contains('\u{1b}') && !text.contains("\n::") && !text.contains('\u{202e}'), "{text}");
        assert!(
            !markdown.contains('\u{1b}') && !markdown.contains("\n::") && !markdown.contains("<script"),
            "{markdown}"
        );
        assert!(!markdown.contains("](http"), "{markdown}");
        let (_, body) = html.split_once("<body").unwrap();
        assert!(!html.contains('\u{1b}') && !body.contains("<script") && !body.contains("<img"), "{html}");
        assert!(!body.lines().any(|line| line.trim_start().starts_with("::") || line.contains("##[")), "{html}");
    }
}

#[test]
fn large_rehearsals_stay_bearable() {
    let mut many = sample(&"x".repeat(2_000));
    let (finding, workload) = (many.policies[0].findings[0].clone(), many.workloads[0].clone());
    many.policies[0].findings = vec![finding; 2_000];
    many.workloads = vec![workload; 20_000];
    let [text, markdown, html] = all(&many);
    assert!(text.len() < 100_000, "{}", text.len());
    assert!(markdown.len() <= 65_536 && markdown.contains("more causes"), "{}", markdown.len());
    assert!(html.len() < 4_000_000 && html.contains("more workloads"), "{}", html.len());
}
