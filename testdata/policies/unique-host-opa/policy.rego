# No two ingresses of the cluster may answer for the same host, as a policy of Open Policy Agent: what it may read is
# under `data.kubernetes`, by plural name. Namespaces with the label `shared: hosts` are left alone.
package policy

import rego.v1

main := {
	"apiVersion": "admission.k8s.io/v1",
	"kind": "AdmissionReview",
	"response": response,
}

default response := {"uid": "", "allowed": true}

response := {
	"uid": input.request.uid,
	"allowed": false,
	"status": {"message": concat("; ", problems)},
} if {
	count(problems) > 0
}

problems contains message if {
	some host in hosts(input.request.object)
	some namespace, ingresses in data.kubernetes.ingresses
	not shares(namespace)
	some name, ingress in ingresses
	[namespace, name] != [input.request.namespace, input.request.name]
	host in hosts(ingress)
	message := concat("", ["host ", host, " is already used by ingress ", namespace, "/", name])
}

hosts(ingress) := {rule.host | some rule in ingress.spec.rules}

shares(namespace) if data.kubernetes.namespaces[namespace].metadata.labels.shared == "hosts"
