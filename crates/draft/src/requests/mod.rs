//! The requests that the rules of a policy select: one of each group, version, resource and operation that they name, and a
//! sample for wildcards.

mod sample;

use indexmap::{IndexMap, IndexSet};
use policy_verify_model::kind::{KnownKind, KnownSubresource};
use policy_verify_model::nearest::nearest;
use policy_verify_model::policy::{Rule, RuleOperation};

use self::sample::Sample;

/// Most requests.
const MOST_REQUESTS: usize = 100;

/// Most groups × resources of all rules that are looked at.
const MOST_COMBINATIONS: usize = 10_000;

/// Most remarks.
const MOST_NOTES: usize = 20;

/// Most groups and versions that a remark names.
const MOST_NAMED: usize = 5;

/// A request that a rule selects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// API group of the resource; empty for the core group.
    pub group: String,
    /// Version of the resource.
    pub version: String,
    /// `apiVersion` of the object that is sent.
    pub api_version: String,
    /// Kind of the object that is sent.
    pub kind: String,
    /// `pods`, `pods/exec`
    pub resource: String,
    /// `exec`
    pub subresource: Option<String>,
    /// The operation, never [`RuleOperation::All`].
    pub operation: RuleOperation,
    /// Whether the kind is not one of Kubernetes.
    pub is_custom: bool,
}

/// Which versions of its resource a rule selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// That of the request.
    Named,
    /// All of them: the version of the request stands for the others.
    All,
}

/// What the rules select.
#[derive(Debug, Default)]
pub struct Requests {
    /// The requests, in the order of the rules.
    pub wanted: IndexMap<Wanted, Versions>,
    /// What has no request, and why: resources that do not exist, and wildcards of which there is a sample.
    pub notes: IndexSet<Note>,
    /// Requests beyond the limit.
    left: usize,
    combinations: usize,
}

/// A remark about rules.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Note {
    /// What it says.
    pub text: String,
    /// Whether a part of the rules selects nothing, which is a mistake.
    pub is_mistake: bool,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// The requests of all rules. `named` are kinds that the policy names otherwise, which tell how they are spelled.
pub fn requests(rules: &[Rule], kinds: &[KnownKind], named: &[String]) -> Requests {
    let mut out = Requests::default();
    for rule in rules {
        for resource in &rule.resources {
            if !out.rule(rule, resource, kinds, named) {
                out.note(format!("not all rules are looked at: they name more than {MOST_COMBINATIONS} resources"));
                return out.finished();
            }
        }
    }
    out.finished()
}

impl Requests {
    fn finished(mut self) -> Self {
        if self.left > 0 {
            let text = format!("{} more requests of the rules have no case: the first {MOST_REQUESTS} do", self.left);
            // It is said whatever else there is to say.
            self.notes.insert(Note { text, is_mistake: false });
        }
        self
    }

    fn note(&mut self, text: String) {
        self.say(Note { text, is_mistake: false });
    }

    /// A part of the rules selects nothing.
    fn mistake(&mut self, text: String) {
        self.say(Note { text, is_mistake: true });
    }

    fn say(&mut self, note: Note) {
        if self.notes.len() < MOST_NOTES {
            self.notes.insert(note);
        }
    }

    fn want(&mut self, wanted: Wanted, versions: Versions) {
        if let Some(known) = self.wanted.get_mut(&wanted) {
            // A rule that names the version asks for just this one.
            *known = if versions == Versions::Named { versions } else { *known };
        } else if self.wanted.len() < MOST_REQUESTS {
            self.wanted.insert(wanted, versions);
        } else {
            self.left += 1;
        }
    }

    /// Adds the requests about one resource of a rule; whether there is room for more.
    fn rule(&mut self, rule: &Rule, resource: &str, kinds: &[KnownKind], named: &[String]) -> bool {
        self.combinations += rule.api_groups.len().max(1);
        if self.combinations > MOST_COMBINATIONS {
            return false;
        }
        let (plural, part) = resource.split_once('/').map_or((resource, None), |(plural, part)| (plural, Some(part)));
        let Sample { kinds: known, is_cut } = sample::kinds(rule, plural, part, kinds);
        if is_cut {
            let names: Vec<&str> = known.iter().map(|kind| kind.kind.as_str()).collect();
            self.note(format!("`{resource}` of {} has cases for {} only", few(&rule.api_groups), names.join(", ")));
        }
        for kind in &known {
            self.kind(rule, kind, part);
        }
        if known.is_empty() {
            self.unknown(rule, plural, part, kinds, named);
        }
        true
    }

    fn kind(&mut self, rule: &Rule, kind: &KnownKind, part: Option<&str>) {
        if sample::is_never_sent(kind) {
            self.mistake(format!("the API server sends no requests about {} to policies", kind.plural));
            return;
        }
        if part.is_none_or(|part| part == "*") {
            self.whole(rule, kind);
        }
        match part {
            None => {}
            Some("*") => sample::subresources(kind).into_iter().for_each(|part| self.part(rule, kind, part)),
            Some(name) => match kind.subresources.iter().find(|known| known.name == name) {
                Some(part) => self.part(rule, kind, part),
                None => self.mistake(format!("the API server sends no requests about {}/{name}", kind.plural)),
            },
        }
    }

    fn whole(&mut self, rule: &Rule, kind: &KnownKind) {
        let wanted = |operation| Wanted {
            group: kind.group.clone(),
            version: kind.version.clone(),
            api_version: kind.api_version(),
            kind: kind.kind.clone(),
            resource: kind.plural.clone(),
            subresource: None,
            operation,
            is_custom: false,
        };
        let operations = operations(rule);
        if operations.is_empty() {
            self.mistake(format!("CONNECT is about subresources such as pods/exec, never about {}", kind.plural));
        }
        operations.into_iter().for_each(|operation| self.want(wanted(operation), versions(rule)));
    }

    fn part(&mut self, rule: &Rule, kind: &KnownKind, part: &KnownSubresource) {
        let resource = format!("{}/{}", kind.plural, part.name);
        if !names(rule, part.operation) {
            self.mistake(format!(
                "no operation of the rule is sent about {resource}: that is {}",
                part.operation.word()
            ));
            return;
        }
        let (api_version, object) = part.object.clone().unwrap_or_else(|| (kind.api_version(), kind.kind.clone()));
        let wanted = Wanted {
            group: kind.group.clone(),
            version: kind.version.clone(),
            api_version,
            kind: object,
            resource,
            subresource: Some(part.name.clone()),
            operation: part.operation,
            is_custom: false,
        };
        self.want(wanted, versions(rule));
    }

    /// A resource that no built-in kind has.
    fn unknown(&mut self, rule: &Rule, plural: &str, part: Option<&str>, kinds: &[KnownKind], named: &[String]) {
        let custom: Vec<&String> = rule.api_groups.iter().filter(|group| is_custom(group)).collect();
        if custom.is_empty() {
            return self.misspelt(rule, plural, kinds);
        }
        for group in custom {
            if plural == "*" || part.is_some() || plural.is_empty() {
                let shown = part.map_or_else(|| plural.to_owned(), |part| format!("{plural}/{part}"));
                self.note(format!("`{shown}` of {group} has no case: its kinds are not known"));
                continue;
            }
            for version in named_versions(rule) {
                let kind = sample::kind_of(plural, named);
                for operation in operations(rule) {
                    let wanted = Wanted {
                        group: group.clone(),
                        version: version.to_owned(),
                        api_version: format!("{group}/{version}"),
                        kind: kind.clone(),
                        resource: plural.to_owned(),
                        subresource: None,
                        operation,
                        is_custom: true,
                    };
                    self.want(wanted, versions(rule));
                }
            }
        }
    }

    fn misspelt(&mut self, rule: &Rule, plural: &str, kinds: &[KnownKind]) {
        if self.notes.len() >= MOST_NOTES {
            return;
        }
        let place = format!("in the groups {}, versions {}", few(&rule.api_groups), few(&rule.api_versions));
        let elsewhere = kinds.iter().filter(|kind| kind.plural == plural).min_by_key(|kind| sample::is_double(kind));
        let meant = match elsewhere {
            Some(kind) => Some(format!("{plural} are in {}", kind.api_version())),
            None => {
                nearest(plural, kinds.iter().map(|kind| kind.plural.as_str())).map(|it| format!("did you mean {it}?"))
            }
        };
        let meant = meant.map(|meant| format!(": {meant}")).unwrap_or_default();
        self.mistake(format!("Kubernetes has no resource `{plural}` {place}{meant}"));
    }
}

/// Most versions of a custom resource.
const MOST_VERSIONS: usize = 10;

/// The versions that a rule names; `v1` where it names none.
fn named_versions(rule: &Rule) -> Vec<&str> {
    let named = rule.api_versions.iter().map(String::as_str).filter(|version| *version != "*" && !version.is_empty());
    let named: Vec<&str> = named.take(MOST_VERSIONS).collect();
    if named.is_empty() { vec!["v1"] } else { named }
}

fn versions(rule: &Rule) -> Versions {
    if rule.api_versions.iter().any(|version| version == "*") { Versions::All } else { Versions::Named }
}

/// The first names of a list.
fn few(all: &[String]) -> String {
    all.iter().take(MOST_NAMED).map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

/// Whether the group is none of Kubernetes.
fn is_custom(group: &str) -> bool {
    group.contains('.') && !group.ends_with(".k8s.io") && group != "policies.kubewarden.io"
}

/// The operations of a rule that are sent about whole objects.
fn operations(rule: &Rule) -> Vec<RuleOperation> {
    let all = [RuleOperation::Create, RuleOperation::Update, RuleOperation::Delete];
    all.into_iter().filter(|operation| names(rule, *operation)).collect()
}

fn names(rule: &Rule, operation: RuleOperation) -> bool {
    rule.operations.iter().any(|named| *named == operation || *named == RuleOperation::All)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::kinds;

    fn of(rules: Value) -> (Vec<String>, Vec<String>) {
        let rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
        let found = requests(&rules, &kinds(), &["VirtualService".to_owned()]);
        let shown = |it: &Wanted| format!("{} {} {} {}", it.operation.word(), it.api_version, it.kind, it.resource);
        (found.wanted.keys().map(shown).collect(), found.notes.iter().map(ToString::to_string).collect())
    }

    fn rule(groups: &[&str], versions: &[&str], resources: &[&str], operations: &[&str]) -> Value {
        json!({ "apiGroups": groups, "apiVersions": versions, "resources": resources, "operations": operations })
    }

    #[test]
    fn every_operation_of_every_kind_is_a_request() {
        for (rule, wanted) in [
            (rule(&[""], &["v1"], &["pods"], &["CREATE", "DELETE"]), "CREATE v1 Pod pods; DELETE v1 Pod pods"),
            (rule(&["apps"], &["*"], &["deployments"], &["UPDATE"]), "UPDATE apps/v1 Deployment deployments"),
            (
                rule(&["apps"], &["v1beta1"], &["deployments"], &["UPDATE"]),
                "UPDATE apps/v1beta1 Deployment deployments",
            ),
            (
                rule(&["apps"], &["v1", "v1beta1"], &["deployments"], &["UPDATE"]),
                "UPDATE apps/v1 Deployment deployments; UPDATE apps/v1beta1 Deployment deployments",
            ),
            (
                rule(&["", "apps"], &["v1"], &["pods", "deployments"], &["CREATE"]),
                "CREATE v1 Pod pods; CREATE apps/v1 Deployment deployments",
            ),
            (rule(&["*"], &["*"], &["deployments"], &["CREATE"]), "CREATE apps/v1 Deployment deployments"),
            (rule(&[""], &["v1"], &["pods/exec"], &["*"]), "CONNECT v1 PodExecOptions pods/exec"),
            (rule(&[""], &["v1"], &["pods/status"], &["UPDATE"]), "UPDATE v1 Pod pods/status"),
            (rule(&["apps"], &["v1"], &["*/scale"], &["UPDATE"]), "UPDATE apps/v1 Deployment deployments/scale"),
            (
                rule(&["networking.istio.io"], &["*"], &["virtualservices"], &["CREATE"]),
                "CREATE networking.istio.io/v1 VirtualService virtualservices",
            ),
            (
                rule(&["acme.test"], &["v1beta1"], &["policies", "gadgets"], &["CREATE"]),
                "CREATE acme.test/v1beta1 Policy policies; CREATE acme.test/v1beta1 Gadget gadgets",
            ),
        ] {
            let (found, notes) = of(json!([rule]));
            assert_eq!(found.join("; "), wanted, "{rule} {notes:?}");
        }
        let (found, _) = of(json!([rule(&["acme.test", "acme.example"], &["v1", "v2"], &["gizmos"], &["CREATE"])]));
        assert_eq!(found.len(), 4, "{found:?}");
        let twice = rule(&[""], &["v1"], &["pods"], &["CREATE"]);
        assert_eq!(of(json!([twice, twice])).0.len(), 1);
    }

    #[test]
    fn a_named_version_is_just_that_one() {
        let all = rule(&[""], &["*"], &["pods"], &["CREATE"]);
        let named = rule(&[""], &["v1"], &["pods"], &["CREATE"]);
        for (rules, wanted) in [
            (json!([all]), Versions::All),
            (json!([named]), Versions::Named),
            (json!([all, named]), Versions::Named),
            (json!([named, all]), Versions::Named),
        ] {
            let rules: Vec<Rule> = serde_json::from_value(rules).unwrap();
            let found = requests(&rules, &kinds(), &[]);
            assert_eq!(found.wanted.values().copied().collect::<Vec<_>>(), [wanted], "{rules:?}");
        }
    }

    #[test]
    fn wildcards_are_a_sample_that_is_told() {
        let (found, notes) = of(json!([rule(&["*"], &["*"], &["*"], &["CREATE"])]));
        assert_eq!(found[0], "CREATE v1 Pod pods");
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(notes, ["`*` of \"*\" has cases for Pod, Deployment, Namespace only"]);
        let (found, _) = of(json!([rule(&[""], &["v1"], &["pods/*"], &["*"])]));
        assert_eq!(found.len(), 5, "{found:?}");
    }

    #[test]
    fn what_has_no_request_is_told() {
        for (rule, note) in [
            (rule(&[""], &["v1"], &["namespace"], &["CREATE"]), "did you mean namespaces?"),
            (rule(&[""], &["v1"], &["deployments"], &["CREATE"]), "deployments are in apps/v1"),
            (rule(&[""], &["v1"], &["pods"], &["CONNECT"]), "CONNECT is about subresources"),
            (rule(&[""], &["v1"], &["pods/exec"], &["CREATE"]), "that is CONNECT"),
            (rule(&[""], &["v1"], &["pods/log"], &["*"]), "sends no requests about pods/log"),
            (rule(&["acme.test"], &["v1"], &["*"], &["*"]), "its kinds are not known"),
            (
                rule(&["admissionregistration.k8s.io"], &["*"], &["validatingwebhookconfigurations"], &["*"]),
                "no requests about validatingwebhookconfigurations",
            ),
        ] {
            let (found, notes) = of(json!([rule]));
            assert!(found.is_empty() && notes.len() == 1 && notes[0].contains(note), "{rule} {found:?} {notes:?}");
        }
    }

    #[test]
    fn rules_without_end_are_bounded() {
        let many: Vec<String> = (0..3000).map(|number| format!("r{number}s")).collect();
        let resources: Vec<&str> = many.iter().map(String::as_str).collect();
        let (found, notes) = of(json!([rule(&["acme.test"], &["v1"], &resources, &["*"])]));
        assert_eq!(found.len(), MOST_REQUESTS);
        assert_eq!(notes, ["8900 more requests of the rules have no case: the first 100 do"]);
        let (_, notes) = of(json!([rule(&resources, &resources, &resources, &["*"])]));
        assert!(notes.len() <= MOST_NOTES && notes.iter().any(|it| it.contains("more than 10000")), "{notes:?}");
    }
}
