//! The results of a test, gathered by policy and resource.

use indexmap::IndexMap;

use super::{Import, Shared};
use crate::imported::{Fate, TestRow};
use crate::tree::Tree;

/// Keys of a result that are translated, in all their shapes.
const KEYS: &[&str] = &[
    "policy",
    "rule",
    "result",
    "status",
    "kind",
    "namespace",
    "resource",
    "resources",
    "resourceSpecs",
    "operation",
    "patchedResource",
    "patchedResources",
    "generatedResource",
    "generatedResources",
    "cloneSourceResource",
    "failOnMissingResources",
];

/// What Kubewarden policies do not do.
const NOT_ADMISSION: &[(&str, &str)] = &[
    ("generatedResource", "a Kubewarden policy generates no resources"),
    ("generatedResources", "a Kubewarden policy generates no resources"),
    ("isGeneratingPolicy", "a Kubewarden policy generates no resources"),
    ("isDeletingPolicy", "a Kubewarden policy deletes no resources"),
];

/// One rule's result for a resource.
pub(super) struct RuleResult {
    pub(super) rule: String,
    pub(super) result: String,
    pub(super) patched: Option<String>,
    /// The row of the result.
    pub(super) row: usize,
}

/// A case: all results of a policy for a resource and an operation.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Subject {
    pub(super) policy: String,
    pub(super) resource: usize,
    pub(super) operation: Option<String>,
}

impl Import<'_> {
    pub(super) fn results(&mut self, test: &Tree, shared: &Shared) {
        let mut subjects: IndexMap<Subject, Vec<RuleResult>> = IndexMap::new();
        let first = self.out.tests.len();
        for result in test.list_at("results") {
            let mut row = self.row(result);
            match gather(result, shared, self.out.tests.len(), &mut row, &mut subjects) {
                Ok(()) => self.out.tests.push(row),
                Err(why) => self.out.skip(row.not(why)),
            }
        }
        for (subject, results) in subjects {
            self.case(&subject, &results, shared);
        }
        for row in &mut self.out.tests[first..] {
            if row.cases.is_empty() && !matches!(row.fate, Fate::Not(_)) {
                let lost = if let Fate::Partly(lost) = &row.fate { lost.clone() } else { Vec::new() };
                row.fate = Fate::Not(lost);
            }
        }
    }

    fn row(&self, result: &Tree) -> TestRow {
        let text = |key: &str| result.text_at(key).unwrap_or_default();
        let policy = text("policy");
        let rule = if text("rule").is_empty() { String::new() } else { format!("/{}", text("rule")) };
        let verdict = result.text_at("result").or(result.text_at("status")).unwrap_or_default();
        let mut row = TestRow::new(self.path, result.line, format!("{policy}{rule} {} {verdict}", text("kind")));
        let kinds_of_policies = |key: &str| key.starts_with("is") && key.ends_with("Policy");
        for (key, _) in result.entries() {
            // A slip that Kyverno's own tests have.
            let is_known = KEYS.contains(&key.as_str()) || kinds_of_policies(key);
            if !is_known {
                row.lose(format!("`{key}` is unknown"));
            }
        }
        row
    }
}

/// Adds a result to its subjects, or says why it has none.
fn gather(
    result: &Tree,
    shared: &Shared,
    number: usize,
    row: &mut TestRow,
    subjects: &mut IndexMap<Subject, Vec<RuleResult>>,
) -> Result<(), String> {
    for (key, why) in NOT_ADMISSION {
        if result.text_at(key).is_some() || result.is_true(key) || !result.list_at(key).is_empty() && key.ends_with('s')
        {
            return Err((*why).to_owned());
        }
    }
    let policy = result.text_at("policy").ok_or("the result has no `policy`")?;
    let policy = policy.rsplit('/').next().unwrap_or(policy);
    let rule = result.text_at("rule").unwrap_or_default();
    let verdict = result.text_at("result").or(result.text_at("status")).ok_or("the result has no `result`")?;
    let patched = result.text_at("patchedResources").or(result.text_at("patchedResource"));
    match (verdict, patched) {
        ("fail", Some(_)) => {
            return Err("`fail` with `patchedResources`: there is no expectation of another mutation".into());
        }
        ("pass" | "fail" | "skip" | "warn", _) => {}
        ("error", _) => return Err("`error`: a fault of Kyverno's engine, not a verdict".into()),
        (other, _) => return Err(format!("`{other}` is no result")),
    }
    if result.is_true("isImageValidatingPolicy") {
        row.lose("the signatures of the images: mock `oci/v2/verify` with `host`");
    }
    let found = resources(result, shared, row);
    if found.is_empty() {
        // They may be payloads or existing resources, which are told here.
        let mut why = vec!["none of its resources is found".to_owned()];
        why.extend(shared.lost.iter().cloned());
        return Err(why.join("; "));
    }
    for resource in found {
        let values = shared.values.of_request(policy, rule, &shared.resources.0[resource].name);
        values.lost.into_iter().for_each(|lost| row.lose(lost));
        let operation = result.text_at("operation").map(str::to_owned).or(values.operation);
        let subject = Subject { policy: policy.to_owned(), resource, operation };
        let (rule, result) = (rule.to_owned(), verdict.to_owned());
        let found = RuleResult { rule, result, patched: patched.map(str::to_owned), row: number };
        subjects.entry(subject).or_default().push(found);
    }
    shared.lost.iter().chain(&shared.values.lost).for_each(|lost| row.lose(lost));
    dedupe(&mut row.fate);
    Ok(())
}

fn dedupe(fate: &mut Fate) {
    if let Fate::Partly(lost) = fate {
        let mut seen = std::collections::HashSet::new();
        lost.retain(|it| seen.insert(it.clone()));
    }
}

/// The resources of a result; all of them if it names none.
fn resources(result: &Tree, shared: &Shared, row: &mut TestRow) -> Vec<usize> {
    let (kind, namespace) =
        (result.text_at("kind").unwrap_or_default(), result.text_at("namespace").unwrap_or_default());
    let mut wanted: Vec<String> =
        ["resources", "resource"].iter().flat_map(|key| result.texts_at(key)).map(str::to_owned).collect();
    for spec in result.list_at("resourceSpecs") {
        let text = |key: &str| spec.text_at(key).unwrap_or_default();
        wanted.push(if text("namespace").is_empty() {
            text("name").into()
        } else {
            format!("{}/{}", text("namespace"), text("name"))
        });
        if spec.get("subresource").is_some() {
            row.lose("`subresource` of a resource");
        }
    }
    if wanted.is_empty() {
        return (0..shared.resources.0.len())
            .filter(|index| kind.is_empty() || shared.resources.0[*index].kind == kind)
            .collect();
    }
    let mut all = Vec::new();
    for name in wanted {
        let found = shared.resources.find(kind, namespace, &name);
        if found.is_empty() {
            row.lose(format!("the resource {kind} {name} is in none of the files"));
        }
        all.extend(found);
    }
    all
}
