# Wants labels; written for compilers from before Rego v1, to show the ABI of their time.
# Parameters: `labels`, a list of names.
package policy

violation[{"msg": msg}] {
	provided := {name | input.review.object.metadata.labels[name]}
	required := {name | name := input.parameters.labels[_]}
	missing := required - provided
	count(missing) > 0
	msg := sprintf("missing labels: %v", [missing])
}
