# Wants labels, as a policy of Gatekeeper: the entry point is a set of violations.
# Parameters: `labels`, a list of names.
package policy

import rego.v1

violation contains {"msg": msg, "details": {"label": name}} if {
	some name in input.parameters.labels
	not object.get(input.review.object.metadata, "labels", {})[name]
	msg := sprintf("%s %s has no label %q", [input.review.object.kind, input.review.object.metadata.name, name])
}
