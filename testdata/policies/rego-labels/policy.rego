# Wants labels, as a policy of Open Policy Agent: the entry point is the whole AdmissionReview.
# Settings are data: `mandatory_labels`, a list of names, `owner`, a regular expression, and `defaults`, names of labels to
# the values they get where they are missing.
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
	"status": {"message": concat("; ", reasons), "code": 422},
} if {
	count(reasons) > 0
} else := {
	"uid": input.request.uid,
	"allowed": true,
	"patchType": "JSONPatch",
	"patch": base64.encode(json.marshal(operations)),
} if {
	count(additions) > 0
}

additions[name] := value if {
	some name, value in data.defaults
	not labels[name]
}

operations := [{"op": "add", "path": "/metadata/labels", "value": object.union(labels, additions)}]

labels := object.get(input.request.object.metadata, "labels", {})

missing contains name if {
	some name in data.mandatory_labels
	not labels[name]
}

reasons contains sprintf("%d of %d mandatory labels are missing: %v", [count(missing), count(data.mandatory_labels), missing]) if {
	count(missing) > 0
}

reasons contains sprintf("owner %q is not one of ours", [labels.owner]) if {
	count(regex.find_n(data.owner, labels.owner, 1)) == 0
}
