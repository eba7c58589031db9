# A raw policy of Open Policy Agent: its request is no Kubernetes object but a sentence, user, action and resource.
# Settings are data: `forbidden`, a list of what nobody may eat, and `rename`, old names of resources to new ones.
package policy

import rego.v1

main := {"response": response}

default response := {"uid": "", "allowed": true}

response := {"uid": "", "allowed": false, "status": {"message": message, "reason": "Forbidden", "code": 403}} if {
	input.request.action == "eats"
	input.request.resource in data.forbidden
	message := concat(" ", [input.request.user, "may not eat", input.request.resource])
} else := {
	"uid": "",
	"allowed": true,
	"patchType": "JSONPatch",
	"patch": base64.encode(json.marshal([{"op": "replace", "path": "/resource", "value": new}])),
} if {
	new := data.rename[input.request.resource]
}
