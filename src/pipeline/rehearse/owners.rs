//! Which object controls which: a Pod belongs to the Deployment whose ReplicaSet has made it.

use std::collections::HashMap;

use policy_verify_suite::dump::Owner;

/// Most steps from an object to its workload. Owners that own each other have no end.
const MOST_STEPS: usize = 10;

/// The owners of all objects of a dump.
#[derive(Default)]
pub(super) struct Owners(HashMap<String, Owner>);

/// Kind and name of the object that controls another one in the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Workload {
    pub(super) namespace: String,
    pub(super) kind: String,
    pub(super) name: String,
}

impl Owners {
    /// Learns the owner of an object.
    pub(super) fn add(&mut self, kind: &str, namespace: &str, name: &str, owner: Owner) {
        // A Node owns the mirrors of its static Pods, which are no parts of it.
        if owner.kind != "Node" {
            self.0.insert(key(kind, namespace, name), owner);
        }
    }

    /// The object that controls an object, the one that controls that one, and so on; the object itself where none does.
    pub(super) fn workload(&self, kind: &str, namespace: &str, name: &str) -> Workload {
        let (mut kind, mut name) = (kind, name);
        for _ in 0..MOST_STEPS {
            match self.0.get(&key(kind, namespace, name)) {
                Some(owner) => (kind, name) = (&owner.kind, &owner.name),
                None => break,
            }
        }
        Workload { namespace: namespace.to_owned(), kind: kind.to_owned(), name: name.to_owned() }
    }
}

fn key(kind: &str, namespace: &str, name: &str) -> String {
    format!("{kind}/{namespace}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_belongs_to_the_last_of_its_owners() {
        let mut owners = Owners::default();
        let owner = |kind: &str, name: &str| Owner { kind: kind.into(), name: name.into() };
        owners.add("Pod", "shop", "web-1-x", owner("ReplicaSet", "web-1"));
        owners.add("ReplicaSet", "shop", "web-1", owner("Deployment", "web"));
        owners.add("Pod", "kube-system", "etcd-n", owner("Node", "n"));
        owners.add("A", "a", "a", owner("B", "b"));
        owners.add("B", "a", "b", owner("A", "a"));
        let workload = |kind: &str, namespace: &str, name: &str| {
            let found = owners.workload(kind, namespace, name);
            format!("{} {}/{}", found.kind, found.namespace, found.name)
        };
        assert_eq!(workload("Pod", "shop", "web-1-x"), "Deployment shop/web");
        assert_eq!(workload("Pod", "other", "web-1-x"), "Pod other/web-1-x");
        assert_eq!(workload("Pod", "kube-system", "etcd-n"), "Pod kube-system/etcd-n");
        assert!(["A a/a", "B a/b"].contains(&workload("A", "a", "a").as_str()));
    }
}
