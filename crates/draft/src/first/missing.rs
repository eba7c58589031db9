//! Cases for requests that the rules of policies select and that a suite does not have.

use policy_verify_model::rule_coverage::RequestCoverage;
use policy_verify_model::yaml::emit::Node;

use super::case::Cases;
use super::present::Present;
use crate::draft::Entry;
use crate::imported::WrittenFile;
use crate::requests::Wanted;

/// A request without a case.
#[derive(Debug, Clone)]
pub struct Gap<'a> {
    /// `policy` or `group` and its name, where the suite has several.
    pub subject: Option<(&'static str, &'a str)>,
    /// The request.
    pub request: &'a RequestCoverage,
}

/// New cases.
#[derive(Debug, Clone, Default)]
pub struct Missing {
    /// The cases; all say `accept`.
    pub entries: Vec<Entry>,
    /// Their names.
    pub names: Vec<String>,
    /// The files that they name and that are not there.
    pub files: Vec<WrittenFile>,
    /// Requests that have no case, and why.
    pub notes: Vec<String>,
}

/// A case for each gap.
pub fn missing(gaps: &[Gap<'_>], present: &dyn Present) -> Missing {
    let mut cases = Cases::default();
    let mut notes = Vec::new();
    for Gap { subject, request } in gaps {
        let Some(wanted) = wanted(request) else {
            notes.push(format!("no case for {request}: its kind is not known; name its definition under `crds:`"));
            continue;
        };
        cases.add_to(&wanted, present);
        if let (Some((key, name)), Some(entry)) = (subject, cases.entries.last_mut()) {
            entry.keys.shift_insert(1, (*key).to_owned(), Node::text(*name));
        }
    }
    let (entries, names) = (std::mem::take(&mut cases.entries), std::mem::take(&mut cases.names));
    Missing { entries, names, files: cases.into_files(), notes }
}

fn wanted(request: &RequestCoverage) -> Option<Wanted> {
    let object = request.object.as_ref()?;
    let subresource = request.resource.split_once('/').map(|(_, part)| part.to_owned());
    Some(Wanted {
        group: request.group.clone(),
        version: request.version.clone().unwrap_or_default(),
        api_version: object.api_version.clone(),
        kind: object.kind.clone(),
        resource: request.resource.clone(),
        subresource,
        operation: request.operation,
        is_custom: false,
    })
}

#[cfg(test)]
mod tests {
    use policy_verify_model::policy::RuleOperation;
    use policy_verify_model::rule_coverage::{SentKind, VerdictCounts};

    use super::*;
    use crate::draft::items;

    struct Suite;

    impl Present for Suite {
        fn has_case(&self, name: &str) -> bool {
            name == "UPDATE Pod"
        }

        fn object_in(&self, path: &str) -> Option<(String, String)> {
            let (version, kind) = match path {
                "fixtures/pod.yaml" => ("v1", "Pod"),
                "fixtures/deployment.yaml" => ("apps/v1beta1", "Deployment"),
                _ => return None,
            };
            Some((version.to_owned(), kind.to_owned()))
        }
    }

    fn request(operation: RuleOperation, resource: &str, object: Option<(&str, &str)>) -> RequestCoverage {
        let object = object.map(|(version, kind)| SentKind { api_version: version.into(), kind: kind.into() });
        RequestCoverage {
            group: String::new(),
            version: Some("v1".to_owned()),
            resource: resource.to_owned(),
            operation,
            object,
            verdicts: VerdictCounts::default(),
        }
    }

    #[test]
    fn every_gap_has_a_case_with_names_and_files_that_are_free() {
        let requests = [
            request(RuleOperation::Update, "pods", Some(("v1", "Pod"))),
            request(RuleOperation::Create, "pods", Some(("v1", "Pod"))),
            request(RuleOperation::Connect, "pods/exec", Some(("v1", "PodExecOptions"))),
            request(RuleOperation::Delete, "deployments", Some(("apps/v1", "Deployment"))),
            request(RuleOperation::Create, "gizmos", None),
        ];
        let subjects = [Some(("policy", "labels")), None, None, Some(("group", "all")), None];
        let gaps = subjects.into_iter().zip(&requests).map(|(subject, request)| Gap { subject, request });
        let found = missing(&gaps.collect::<Vec<_>>(), &Suite);
        let written = "- name: UPDATE Pod (2)
  policy: labels
  object: fixtures/pod.yaml
  oldObject: fixtures/pod.yaml
  expect: accept

- name: CREATE Pod
  object: fixtures/pod.yaml
  expect: accept

- name: CONNECT pods/exec
  object: fixtures/podexecoptions.yaml
  expect: accept

- name: DELETE Deployment
  group: all
  oldObject: fixtures/deployment-2.yaml
  expect: accept
";
        assert_eq!(items(&found.entries, 0), written);
        let files: Vec<&str> = found.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(files, ["fixtures/podexecoptions.yaml", "fixtures/deployment-2.yaml"]);
        assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
        assert_eq!(found.names, ["UPDATE Pod (2)", "CREATE Pod", "CONNECT pods/exec", "DELETE Deployment"]);
    }
}
