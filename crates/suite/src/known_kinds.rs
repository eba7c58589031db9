//! The built-in kinds for those who make suites: with the requests about them that are sent to webhooks.

use policy_verify_model::kind::{KnownKind, KnownSubresource};
use policy_verify_model::policy::RuleOperation;

use crate::kinds::{KindInfo, Kinds};
use crate::request::subresource::{self, Sent, Subresource};
use crate::schema::Operation;

/// Every built-in kind in every version. The first version of a kind is the one to be preferred.
pub fn known_kinds() -> Vec<KnownKind> {
    Kinds::default().stored().map(known).collect()
}

/// The kinds of the `crds:` of a suite.
pub(crate) fn custom(kinds: &Kinds) -> Vec<KnownKind> {
    kinds.stored().filter(|info| info.custom.is_some()).map(known).collect()
}

fn known(info: &KindInfo) -> KnownKind {
    KnownKind {
        group: info.group.clone().into_owned(),
        version: info.version.clone().into_owned(),
        kind: info.kind.clone().into_owned(),
        plural: info.plural.clone().into_owned(),
        subresources: subresource::of(info).iter().filter_map(sent).collect(),
    }
}

/// A subresource that is sent.
fn sent(subresource: &Subresource) -> Option<KnownSubresource> {
    let object = match subresource.sent {
        Sent::Never => return None,
        Sent::Whole | Sent::Scale => None,
        Sent::Other(api_version, kind) => Some((api_version.to_owned(), kind.to_owned())),
    };
    let operation = match subresource.operation {
        Operation::Create => RuleOperation::Create,
        Operation::Update => RuleOperation::Update,
        Operation::Delete => RuleOperation::Delete,
        Operation::Connect => RuleOperation::Connect,
    };
    Some(KnownSubresource { name: subresource.name.to_owned(), operation, object })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_their_subresources() {
        let kinds = known_kinds();
        let pod = kinds.iter().find(|it| it.kind == "Pod").unwrap();
        let names: Vec<&str> = pod.subresources.iter().map(|it| it.name.as_str()).collect();
        assert!(names.contains(&"exec") && names.contains(&"status") && !names.contains(&"log"), "{names:?}");
        assert!(!kinds.iter().any(|it| it.kind == "Eviction"), "it has no resource of its own");
        let versions: Vec<String> =
            kinds.iter().filter(|it| it.kind == "CronJob").map(KnownKind::api_version).collect();
        assert_eq!(versions, ["batch/v1", "batch/v1beta1"]);
    }
}
