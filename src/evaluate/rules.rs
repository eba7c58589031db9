//! Which requests the rules of a policy's metadata select, as the API server would decide it.
//!
//! Only the rules are looked at: selectors and match conditions belong to the deployment, and metadata has no scope. Source: `rules.Matcher` of k8s.io/apiserver.

use policy_verify_model::policy::Rule;
use policy_verify_model::request::AdmissionRequest;

/// How many rules [`explain`] names.
const MAX_RULES: usize = 4;

/// Whether any rule selects the request. The resource is the one after conversion (`resource`, not `requestResource`).
pub(crate) fn selects(rules: &[Rule], request: &AdmissionRequest) -> bool {
    rules.iter().any(|rule| is_selected_by(rule, request))
}

/// Whether one rule selects the request.
pub(super) fn is_selected_by(rule: &Rule, request: &AdmissionRequest) -> bool {
    let operations = || rule.operations.iter().map(|operation| operation.word());
    is_one_of(&rule.api_groups, &request.resource.group)
        && is_one_of(&rule.api_versions, &request.resource.version)
        && operations().any(|word| word == "*" || word == request.operation)
        && rule.resources.iter().any(|wanted| is_resource(wanted, request))
}

fn is_one_of(wanted: &[String], given: &str) -> bool {
    wanted.iter().any(|item| item == "*" || item == given)
}

/// `pods` is the resource alone, `pods/log` the subresource, `pods/*` the resource and all its subresources, `*` every
/// resource without subresources, `*/*` everything.
///
/// That `pods/*` selects pods themselves surprises, but a request without subresource is an empty one to the API server.
fn is_resource(wanted: &str, request: &AdmissionRequest) -> bool {
    let (resource, subresource) = wanted.split_once('/').unwrap_or((wanted, ""));
    (resource == "*" || resource == request.resource.resource)
        && (subresource == "*" || subresource == request.sub_resource.as_deref().unwrap_or_default())
}

/// Why no rule selects the request, with a line for each rule. `origin` is where the rules are from: `the metadata`.
pub(crate) fn explain(rules: &[Rule], request: &AdmissionRequest, origin: &str) -> String {
    let shown = shown_request(request);
    if rules.is_empty() {
        return format!("{origin} has no rules, so none matches {shown}");
    }
    let line = |rule: &Rule| match only_difference(rule, request) {
        Some(part) => format!("\n- {} (another {part})", shown_rule(rule)),
        None => format!("\n- {}", shown_rule(rule)),
    };
    // The rule to change is the one that nearly matches.
    let (near, far): (Vec<&Rule>, Vec<&Rule>) = rules.iter().partition(|rule| only_difference(rule, request).is_some());
    let mut list: String = near.into_iter().chain(far).take(MAX_RULES).map(line).collect();
    if rules.len() > MAX_RULES {
        list.push_str(&format!("\n- and {} more", rules.len() - MAX_RULES));
    }
    format!("no rule in {origin} matches {shown}; rules:{list}")
}

/// The only part in which a rule does not match the request.
fn only_difference(rule: &Rule, request: &AdmissionRequest) -> Option<&'static str> {
    let operations: Vec<&str> = rule.operations.iter().map(|operation| operation.word()).collect();
    let parts = [
        ("group", is_one_of(&rule.api_groups, &request.resource.group)),
        ("version", is_one_of(&rule.api_versions, &request.resource.version)),
        ("operation", operations.iter().any(|word| *word == "*" || *word == request.operation)),
        ("subresource", rule.resources.iter().any(|wanted| is_resource(wanted, request))),
    ];
    let is_about = |wanted: &String| {
        let resource = wanted.split('/').next().unwrap_or_default();
        resource == "*" || resource == request.resource.resource
    };
    let mut different = parts.into_iter().filter(|(_, is_matched)| !is_matched).map(|(part, _)| part);
    let only = different.next().filter(|_| different.next().is_none());
    only.filter(|_| rule.resources.iter().any(is_about))
}

/// `CREATE, UPDATE pods (v1)`
fn shown_rule(rule: &Rule) -> String {
    let operations: Vec<&str> = rule.operations.iter().map(|operation| operation.word()).collect();
    let versions: Vec<String> = (rule.api_groups.iter())
        .flat_map(|group| rule.api_versions.iter().map(|version| api_version(group, version)))
        .collect();
    let operations = if operations.contains(&"*") { "any operation".to_owned() } else { operations.join(", ") };
    format!("{operations} {} ({})", rule.resources.join(", "), versions.join(", "))
}

/// `DELETE pods (v1)`
fn shown_request(request: &AdmissionRequest) -> String {
    let resource = &request.resource;
    let version = api_version(&resource.group, &resource.version);
    match request.sub_resource.as_deref() {
        None | Some("") => format!("{} {} ({version})", request.operation, resource.resource),
        Some(subresource) => format!("{} {}/{subresource} ({version})", request.operation, resource.resource),
    }
}

fn api_version(group: &str, version: &str) -> String {
    match (group, version) {
        ("*", "*") => "any group and version".into(),
        ("", "*") => "any version of the core group".into(),
        ("", version) => version.into(),
        (group, version) => format!("{group}/{version}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy_verify_model::request::{GroupVersionKind, GroupVersionResource, UserInfo};

    /// `apps/v1 deployments/scale UPDATE`
    fn request(text: &str) -> AdmissionRequest {
        let [api_version, resource, operation]: [&str; 3] = text.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let (resource, subresource) = resource.split_once('/').map_or((resource, None), |(r, s)| (r, Some(s)));
        AdmissionRequest {
            uid: String::new(),
            kind: GroupVersionKind { group: "other".into(), version: "v9".into(), kind: "Other".into() },
            resource: GroupVersionResource { group: group.into(), version: version.into(), resource: resource.into() },
            sub_resource: subresource.map(Into::into),
            request_kind: None,
            request_resource: None,
            request_sub_resource: None,
            name: None,
            namespace: None,
            operation: operation.into(),
            user_info: UserInfo::default(),
            object: None,
            old_object: None,
            dry_run: None,
            options: None,
        }
    }

    /// `groups versions resources operations`, each a list with commas; `core` is the core group.
    fn rule(text: &str) -> Rule {
        let [groups, versions, resources, operations]: [Vec<String>; 4] = text
            .split(' ')
            .map(|list| list.split(',').map(|item| item.replace("core", "")).collect())
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        let operations = serde_json::from_value(serde_json::json!(operations)).unwrap();
        Rule { api_groups: groups, api_versions: versions, resources, operations }
    }

    #[test]
    fn rules_select_as_the_api_server_does() {
        for (wanted, selected, others) in [
            (
                "core v1 pods CREATE,UPDATE",
                ["v1 pods CREATE", "v1 pods UPDATE"].as_slice(),
                ["v1 pods DELETE", "v1 pods/log CREATE", "v2 pods CREATE", "apps/v1 pods CREATE", "v1 nodes CREATE"]
                    .as_slice(),
            ),
            ("core v1 pods/log *", &["v1 pods/log CONNECT"], &["v1 pods CREATE", "v1 pods/exec CONNECT"]),
            (
                "core v1 pods/* *",
                &["v1 pods CREATE", "v1 pods/log CREATE"],
                &["v1 nodes CREATE", "v1 nodes/log CREATE"],
            ),
            ("core v1 * *", &["v1 pods CREATE", "v1 nodes DELETE"], &["v1 pods/log CREATE", "apps/v1 pods CREATE"]),
            ("* * */* *", &["v1 pods CREATE", "apps/v1 deployments/scale UPDATE"], &[]),
            ("apps v1 */scale *", &["apps/v1 deployments/scale UPDATE"], &["apps/v1 deployments UPDATE"]),
            ("* v1 * *", &["v1 pods CREATE", "apps/v1 deployments CREATE"], &["apps/v1beta1 deployments CREATE"]),
            ("core,apps v1,v2 pods,nodes CONNECT", &["apps/v2 nodes CONNECT"], &["apps/v2 nodes connect"]),
        ] {
            for (text, is_wanted) in
                selected.iter().map(|text| (text, true)).chain(others.iter().map(|text| (text, false)))
            {
                assert_eq!(selects(&[rule(wanted)], &request(text)), is_wanted, "{wanted} and {text}");
            }
        }
    }

    #[test]
    fn one_of_several_rules_is_enough() {
        let rules = [rule("core v1 pods CREATE"), rule("apps v1 deployments UPDATE")];
        assert!(selects(&rules, &request("apps/v1 deployments UPDATE")));
        assert!(!selects(&rules, &request("v1 pods UPDATE")));
        assert!(!selects(&[], &request("v1 pods CREATE")));
    }

    #[test]
    fn an_empty_subresource_is_none() {
        let request = AdmissionRequest { sub_resource: Some(String::new()), ..request("v1 pods CREATE") };
        assert!(selects(&[rule("core v1 pods *")], &request));
        assert!(explain(&[], &request, "the metadata").ends_with("so none matches CREATE pods (v1)"));
    }

    #[test]
    fn explanations() {
        for (rules, asked, wanted) in [
            (
                ["core v1 pods CREATE,UPDATE"].as_slice(),
                "v1 pods DELETE",
                "no rule in the metadata matches DELETE pods (v1); rules:\n- CREATE, UPDATE pods (v1) (another operation)",
            ),
            (
                &["apps v1,v1beta1 deployments,statefulsets *", "core * pods/exec CONNECT"],
                "apps/v1 deployments/scale UPDATE",
                concat!(
                    "no rule in the metadata matches UPDATE deployments/scale (apps/v1); rules:",
                    "\n- any operation deployments, statefulsets (apps/v1, apps/v1beta1) (another subresource)",
                    "\n- CONNECT pods/exec (any version of the core group)",
                ),
            ),
            (&[], "v1 pods CREATE", "the metadata has no rules, so none matches CREATE pods (v1)"),
            (
                &["* * * *"],
                "v1 pods/log CREATE",
                "no rule in the metadata matches CREATE pods/log (v1); rules:\n- any operation * (any group and version) (another subresource)",
            ),
            (
                &["core v1 a *", "core v1 b *", "core v1 c *", "core v1 d *", "apps v1 pods *", "core v1 f *"],
                "v1 pods CREATE",
                concat!(
                    "no rule in the metadata matches CREATE pods (v1); rules:\n- any operation pods (apps/v1) (another group)",
                    "\n- any operation a (v1)\n- any operation b (v1)\n- any operation c (v1)\n- and 2 more",
                ),
            ),
        ] {
            let rules: Vec<Rule> = rules.iter().map(|text| rule(text)).collect();
            assert_eq!(explain(&rules, &request(asked), "the metadata"), wanted);
        }
    }
}
