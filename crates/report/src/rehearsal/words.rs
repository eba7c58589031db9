//! What all formats say alike about a rehearsal.

use policy_verify_model::behaviour::Class;
use policy_verify_model::rehearsal::{
    Audit, Counts, Differences, NamespaceResult, PolicyResult, Rehearsal, Unread, Verdict, WorkloadResult,
};

use crate::phrases;

/// Characters of a message, a cause or a name.
pub(super) const LONGEST: usize = 300;

/// The columns of tables of verdicts, and what each of them counts.
pub(super) const COLUMNS: [(&str, &[Verdict]); 6] = [
    ("rejected", &[Verdict::Rejected]),
    ("faults", &[Verdict::Fault]),
    ("mutated", &[Verdict::Mutated]),
    ("monitored", &[Verdict::MonitoredRejection, Verdict::MonitoredMutation]),
    ("allowed", &[Verdict::Allowed]),
    ("not asked", &[Verdict::NotAsked]),
];

/// The numbers of [`COLUMNS`].
pub(super) fn numbers(counts: &Counts) -> [usize; 6] {
    COLUMNS.map(|(_, verdicts)| verdicts.iter().map(|verdict| counts.of(*verdict)).sum())
}

/// How good a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing would be rejected, and nothing is missing.
    Good,
    /// Something would be rejected.
    Rejects,
    /// Something is missing from the result, or nothing was asked.
    Incomplete,
}

/// How good a result is.
pub(super) fn standing(rehearsal: &Rehearsal) -> Standing {
    let counts = rehearsal.counts();
    if rehearsal.is_incomplete() || rehearsal.unavailable() > 0 || counts.asked() == 0 {
        Standing::Incomplete
    } else if counts.rejected > 0 {
        Standing::Rejects
    } else {
        Standing::Good
    }
}

/// The result in a line.
pub(super) fn verdict(rehearsal: &Rehearsal) -> String {
    let counts = rehearsal.counts();
    if counts.asked() == 0 {
        return "no policy was asked about any object".to_owned();
    }
    let objects = phrases::count(rehearsal.objects, "object");
    let mut parts = vec![match rehearsal.rejected_objects {
        0 => format!("none of {objects} would be rejected"),
        number => format!(
            "{number} of {objects} would be rejected, of {}",
            phrases::count(rehearsal.rejected_workloads, "workload")
        ),
    }];
    let mut add = |number: usize, text: String| parts.extend((number > 0).then_some(text));
    add(counts.mutated, phrases::count(counts.mutated, "mutation"));
    add(counts.monitored_rejections, phrases::count(counts.monitored_rejections, "monitored rejection"));
    add(counts.faults, phrases::count(counts.faults, "fault"));
    let unread = number(&rehearsal.unread);
    add(unread, format!("{unread} not read"));
    let unavailable = rehearsal.unavailable();
    add(unavailable, format!("{} unavailable", phrases::count_of(unavailable, "policy", "policies")));
    parts.join(" · ")
}

/// What was rehearsed, in a line.
pub(super) fn extent(rehearsal: &Rehearsal) -> String {
    let policies = phrases::count_of(rehearsal.policies.len(), "policy", "policies");
    let objects = phrases::count(rehearsal.objects, "object");
    let namespaces = rehearsal.namespaces.iter().filter(|it| !it.name.is_empty()).count();
    let evaluations = phrases::count(rehearsal.counts().asked(), "verdict");
    format!("{policies} · {objects} in {} · {evaluations}", phrases::count(namespaces, "namespace"))
}

/// What is to be known about the objects.
pub(super) fn remarks(rehearsal: &Rehearsal) -> Vec<String> {
    let mut remarks: Vec<String> = rehearsal.warnings.clone();
    if rehearsal.repeated > 0 {
        let repeated = phrases::count(rehearsal.repeated, "object");
        remarks.push(format!(
            "{repeated} of the same kind and name as an earlier one: each is evaluated, policies find the first"
        ));
    }
    let passed_over = number(&rehearsal.passed_over);
    if passed_over > 0 {
        let first = rehearsal.passed_over.first().map(|it| it.reason.clone()).unwrap_or_default();
        remarks.push(format!("{} passed over, such as: {first}", phrases::count(passed_over, "object")));
    }
    remarks
}

/// How many objects are meant.
pub(super) fn number(unread: &[Unread]) -> usize {
    unread.iter().map(|it| it.number).sum()
}

/// What an audit would report, in a word or two.
pub(super) fn audit(audit: &Audit) -> String {
    if audit.skipped.is_some() {
        return "skipped".to_owned();
    }
    let counted = [(audit.fail, "fail"), (audit.error, "error"), (audit.pass, "pass")];
    let parts: Vec<String> =
        counted.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// What is to be known about a policy besides its findings.
pub(super) fn notes(policy: &PolicyResult) -> Vec<String> {
    let skipped = policy.audit.skipped.iter().filter(|_| policy.unavailable.is_none());
    let mut notes: Vec<String> = skipped.map(|reason| format!("not audited: {reason}")).collect();
    notes.extend(policy.notes.iter().map(|note| match note.number {
        0 => note.text.clone(),
        number => format!("{}: {}", phrases::count(number, "object"), note.text),
    }));
    notes
}

/// The namespaces in which something happens, the most rejected first.
pub(super) fn namespaces(rehearsal: &Rehearsal) -> Vec<&NamespaceResult> {
    let mut found: Vec<&NamespaceResult> = rehearsal.namespaces.iter().filter(|it| !it.policies.is_empty()).collect();
    found.sort_by_key(|it| std::cmp::Reverse((it.rejected_objects, it.counts.rejected, it.counts.faults)));
    found
}

/// What a namespace is called.
pub(super) fn namespace(namespace: &NamespaceResult) -> String {
    if namespace.name.is_empty() { "(cluster-wide)".to_owned() } else { namespace.name.clone() }
}

/// `Deployment shop/web`
pub(super) fn workload(workload: &WorkloadResult) -> String {
    let WorkloadResult { namespace, kind, name, .. } = workload;
    match namespace.is_empty() || kind == "Namespace" {
        true => format!("{kind} {name}"),
        false => format!("{kind} {namespace}/{name}"),
    }
}

/// `labels: 2 rejected, 1 mutated`
pub(super) fn of_policies(policies: &std::collections::BTreeMap<String, Counts>) -> Vec<(String, String)> {
    let words = |counts: &Counts| {
        let of = |verdict: Verdict| Some((verdict, counts.of(verdict))).filter(|(_, number)| *number > 0);
        let remarkable = Verdict::ALL.into_iter().filter(|verdict| verdict.is_remarkable());
        remarkable.filter_map(of).map(|(it, number)| format!("{number} {}", it.word())).collect::<Vec<_>>().join(", ")
    };
    policies.iter().map(|(name, counts)| (name.clone(), words(counts))).collect()
}

/// How the policies differ from the old ones, in a line.
pub(super) fn differences(differences: &Differences) -> String {
    let of = |class: Class| Some((class, differences.number_of(class))).filter(|(_, number)| *number > 0);
    let mut parts: Vec<String> =
        Class::ALL.into_iter().filter_map(of).map(|(class, number)| format!("{number} {}", class.word())).collect();
    if parts.is_empty() {
        parts.push("no difference from the old policies".to_owned());
    }
    parts.push(format!("{} the same", differences.same));
    for (word, names) in [("new", &differences.added), ("gone", &differences.removed)] {
        if !names.is_empty() {
            parts.push(format!("{word}: {}", names.join(", ")));
        }
    }
    parts.join(" · ")
}
