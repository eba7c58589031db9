# No two ingresses of the cluster may answer for the same host, as a policy of Gatekeeper: what it may read is under
# `data.inventory`, by kind. Namespaces with the label `shared: hosts` are left alone.
package policy

import rego.v1

violation contains {"msg": msg} if {
	some host in hosts(input.review.object)
	some namespace, versions in data.inventory.namespace
	not shares(namespace)
	some name, ingress in versions["networking.k8s.io/v1"].Ingress
	[namespace, name] != [input.review.namespace, input.review.name]
	host in hosts(ingress)
	msg := concat("", ["host ", host, " is already used by ingress ", namespace, "/", name])
}

hosts(ingress) := {rule.host | some rule in ingress.spec.rules}

shares(namespace) if data.inventory.cluster.v1.Namespace[namespace].metadata.labels.shared == "hosts"
