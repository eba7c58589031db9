//! `user:` becomes the `userInfo` of a request, with the groups that the API server adds.
//!
//! Sources: `AuthenticatedGroupAdder` and the impersonation filter of k8s.io/apiserver, `serviceaccount.MakeGroupNames`
//! of Kubernetes. Recorded: `testdata/kube-apiserver`, the steps by alice, service accounts, a node and anonymous.

use crate::schema::{Either, UserEntry};
use policy_verify_model::request::UserInfo;

/// The user of cases that name none: an ordinary user.
const DEFAULT_USER: &str = "test-user";

/// The user of requests without credentials.
const ANONYMOUS: &str = "system:anonymous";

/// The group of every user whom the API server knows.
const AUTHENTICATED: &str = "system:authenticated";

/// The group of requests without credentials.
const UNAUTHENTICATED: &str = "system:unauthenticated";

/// The user of a request.
pub(crate) fn user_info(user: Option<&Either<String, UserEntry>>) -> UserInfo {
    match user {
        None => named(DEFAULT_USER),
        Some(Either::Scalar(name)) => named(name),
        Some(Either::Mapping(entry)) => UserInfo {
            username: entry.username.clone(),
            uid: entry.uid.clone(),
            groups: Some(with_authentication(
                entry.groups.clone().unwrap_or_else(|| own_groups(entry.username.as_deref().unwrap_or_default())),
                entry.username.as_deref().unwrap_or_default(),
            )),
            extra: entry.extra.as_ref().map(|extra| extra.0.to_json()),
        },
    }
}

fn named(name: &str) -> UserInfo {
    let groups = with_authentication(own_groups(name), name);
    UserInfo { username: Some(name.to_owned()), groups: Some(groups), ..UserInfo::default() }
}

/// The groups that follow from a name alone: those of service accounts and nodes.
fn own_groups(name: &str) -> Vec<String> {
    if let Some((namespace, _)) = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':')) {
        return vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    }
    // The node authorizer knows a node by this group.
    if name.strip_prefix("system:node:").is_some_and(|node| !node.is_empty()) {
        return vec!["system:nodes".to_owned()];
    }
    Vec::new()
}

/// Every user is in one of two groups, which the API server appends where neither is there.
fn with_authentication(mut groups: Vec<String>, name: &str) -> Vec<String> {
    if !groups.iter().any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED) {
        groups.push(if name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED }.to_owned());
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_those_the_api_server_adds() {
        for (name, groups) in [
            ("alice", vec!["system:authenticated"]),
            ("system:anonymous", vec!["system:unauthenticated"]),
            (
                "system:serviceaccount:ci:deployer",
                vec!["system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"],
            ),
            ("system:serviceaccount:ci", vec!["system:authenticated"]),
            ("system:node:n1", vec!["system:nodes", "system:authenticated"]),
            ("system:node:", vec!["system:authenticated"]),
        ] {
            assert_eq!(user_info(Some(&Either::Scalar(name.into()))).groups.unwrap(), groups, "{name}");
        }
    }

    #[test]
    fn written_groups_are_kept_and_one_is_appended() {
        let groups = |username: &str, groups: Option<&[&str]>| {
            let groups = groups.map(|groups| groups.iter().map(|&group| group.to_owned()).collect());
            let entry = UserEntry { username: Some(username.into()), groups, ..UserEntry::default() };
            user_info(Some(&Either::Mapping(entry))).groups.unwrap()
        };
        assert_eq!(groups("alice", Some(&["dev"])), ["dev", "system:authenticated"]);
        assert_eq!(groups("alice", Some(&["system:authenticated", "dev"])), ["system:authenticated", "dev"]);
        assert_eq!(groups("alice", Some(&[])), ["system:authenticated"]);
        assert_eq!(groups("system:anonymous", Some(&[])), ["system:unauthenticated"]);
        assert_eq!(groups("x", Some(&["system:unauthenticated"])), ["system:unauthenticated"]);
        assert_eq!(
            groups("system:serviceaccount:ci:deployer", None),
            ["system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"]
        );
    }
}
