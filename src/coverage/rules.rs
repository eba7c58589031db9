//! Which of the requests that rules select the cases have.

use std::collections::HashMap;

use policy_verify_draft::requests::{self, Requests, Versions, Wanted};
use policy_verify_model::kind::KnownKind;
use policy_verify_model::policy::{PolicyType, Rule};
use policy_verify_model::rule_coverage::{RequestCoverage, RuleCoverage, RuleOrigin, SentKind, VerdictCounts};
use policy_verify_model::scope::Scope;
use policy_verify_model::source::Span;
use policy_verify_model::suite::{GroupIndex, PolicyIndex, SuiteIndex};
use policy_verify_suite::known_kinds;

use super::answered::{Answered, Subject, Target};
use crate::evaluate::Policies;

/// The rules of a policy or group.
struct Declared<'a> {
    subject: Subject,
    name: &'a str,
    span: &'a Span,
    origin: RuleOrigin,
    rules: Vec<Rule>,
    /// Kinds that the policy names otherwise.
    named: Vec<String>,
}

/// The coverage of all rules of a suite: groups first as they are deployed, then policies.
pub(super) fn of(suite: SuiteIndex, policies: &Policies<'_>, answers: &[Answered]) -> Vec<RuleCoverage> {
    let declared = declared(policies);
    if declared.is_empty() {
        return Vec::new();
    }
    let kinds: Vec<KnownKind> = policies.suite.custom_kinds.iter().cloned().chain(known_kinds()).collect();
    declared.into_iter().map(|declared| coverage(suite, declared, &kinds, answers)).collect()
}

fn declared<'a>(policies: &Policies<'a>) -> Vec<Declared<'a>> {
    let suite = policies.suite;
    let groups = suite.groups.iter().enumerate().filter_map(|(index, group)| {
        let scope = group.deployment.scope.as_ref()?;
        Some(Declared {
            subject: Subject::Group(GroupIndex(index)),
            name: &group.name,
            span: &group.span,
            origin: RuleOrigin::Manifest,
            rules: rules_of(scope),
            named: Vec::new(),
        })
    });
    let alone = (0..suite.policies.len()).map(PolicyIndex).filter_map(|index| of_policy(index, policies));
    groups.chain(alone).collect()
}

/// The rules of a policy: those of its manifest, else those of its metadata. A policy that is deployed in groups only has
/// their rules, and a raw policy none.
fn of_policy<'a>(index: PolicyIndex, policies: &Policies<'a>) -> Option<Declared<'a>> {
    let spec = &policies.suite.policies[index.0];
    let prepared = policies.prepared[index.0]?.as_ref().ok()?;
    let metadata = prepared.metadata.as_ref();
    let (origin, rules) = match (&spec.deployment.scope, metadata) {
        (Some(scope), _) => (RuleOrigin::Manifest, rules_of(scope)),
        (None, Some(metadata))
            if metadata.policy_type == PolicyType::Kubernetes && !policies.suite.is_scoped(index) =>
        {
            (RuleOrigin::Metadata, metadata.rules.clone())
        }
        _ => return None,
    };
    let named = metadata.iter().flat_map(|metadata| &metadata.context_aware_resources).map(|it| it.kind.clone());
    let subject = Subject::Policy(index);
    Some(Declared { subject, name: &spec.name, span: &spec.span, origin, rules, named: named.collect() })
}

fn rules_of(scope: &Scope) -> Vec<Rule> {
    scope.rules.iter().map(|scoped| scoped.rule.clone()).collect()
}

fn coverage(suite: SuiteIndex, declared: Declared<'_>, kinds: &[KnownKind], answers: &[Answered]) -> RuleCoverage {
    let Requests { wanted, notes, .. } = requests::requests(&declared.rules, kinds, &declared.named);
    let counts = counts(declared.subject, answers);
    let of_versions = |wanted: &Wanted, versions: Versions| {
        let is_same = |target: &Target| {
            target.group == wanted.group
                && target.resource == wanted.resource
                && target.operation == wanted.operation.word()
                && (versions == Versions::All || target.version == wanted.version)
        };
        let mut sum = VerdictCounts::default();
        counts.iter().filter(|(target, _)| is_same(target)).for_each(|(_, counts)| sum.add(*counts));
        sum
    };
    let requests = wanted.iter().map(|(wanted, versions)| RequestCoverage {
        group: wanted.group.clone(),
        version: (*versions == Versions::Named).then(|| wanted.version.clone()),
        resource: wanted.resource.clone(),
        operation: wanted.operation,
        // The kind of a custom resource is a guess where no definition is known.
        object: (!wanted.is_custom)
            .then(|| SentKind { api_version: wanted.api_version.clone(), kind: wanted.kind.clone() }),
        verdicts: of_versions(wanted, *versions),
    });
    let (mistakes, notes): (Vec<_>, Vec<_>) = notes.into_iter().partition(|note| note.is_mistake);
    RuleCoverage {
        suite: suite.0,
        policy: declared.name.to_owned(),
        origin: declared.origin,
        span: declared.span.clone(),
        requests: requests.collect(),
        notes: notes.into_iter().map(|note| note.text).collect(),
        mistakes: mistakes.into_iter().map(|note| note.text).collect(),
    }
}

/// How often each request was decided.
fn counts(subject: Subject, answers: &[Answered]) -> HashMap<&Target, VerdictCounts> {
    let mut counts: HashMap<&Target, VerdictCounts> = HashMap::new();
    for answered in answers.iter().filter(|answered| answered.subject == subject) {
        if let Some(target) = &answered.target {
            answered.verdict.count(counts.entry(&**target).or_default());
        }
    }
    counts
}
