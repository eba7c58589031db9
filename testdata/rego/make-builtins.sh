#!/usr/bin/env bash
# Rewrites builtins.json beside it: what the real `opa eval` gives for every line of builtins.txt.
#
#   testdata/rego/make-builtins.sh
#
# A line is an expression of Rego that calls one built-in with values. In the table are its name, its
# arguments as texts, and its value; where there is no `value`, it is undefined or an error.
# The arguments pass through a value of any type, so that OPA's type checker does not refuse the wrong ones.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
command -v opa >/dev/null || { echo "there is no opa: go install github.com/open-policy-agent/opa@v1.4.2" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

python3 - "$here" "$work" <<'PYTHON'
import json, re, subprocess, sys

here, work = sys.argv[1:]
lines = [line.rstrip("\n") for line in open(f"{here}/builtins.txt", encoding="utf-8")]
lines = [line for line in lines if line and not line.startswith("#")]
# The names under which policy-server has them.
renamed = {"time.date": "date", "time.parse_rfc3339_ns": "parse_rfc3339_ns"}
arity = {"regex.template_match": 4, "regex.find_n": 3, "regex.split": 2, "json.patch": 2, "semver.compare": 2, "sprintf": 2}

module = ["package table", "import rego.v1"]
for index, line in enumerate(lines):
    name, arguments = re.fullmatch(r"([\w.]+)\((.*)\)", line, re.S).groups()
    count = arity.get(name, 1)
    parameters = ", ".join(f"arguments[{index}][{n}]" for n in range(count))
    # `object.get` gives a value of any type.
    module.append(f'arguments[{index}] := object.get({{"all": [{arguments}]}}, "all", null)')
    module.append(f"values[{index}] := {name}({parameters})")
text = "\n".join(module)
with open(f"{work}/table.rego", "w", encoding="utf-8") as file:
    file.write(text + "\n")
run = subprocess.run(
    ["opa", "eval", "--format", "json", "--data", f"{work}/table.rego", "data.table"],
    stdout=subprocess.PIPE, text=True)
answer = json.loads(run.stdout) if run.stdout else {}
if "result" not in answer:
    sys.exit(run.stdout)
values = answer["result"][0]["expressions"][0]["value"]["values"]
table = []
for index, line in enumerate(lines):
    name, arguments = re.fullmatch(r"([\w.]+)\((.*)\)", line, re.S).groups()
    entry = {"builtin": renamed.get(name, name), "arguments": f"[{arguments}]"}
    if str(index) in values:
        entry["value"] = values[str(index)]
    table.append(entry)
with open(f"{here}/builtins.json", "w", encoding="utf-8") as file:
    file.write("[\n" + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in table) + "\n]\n")
print(f"{len(table)} lines, {sum('value' not in entry for entry in table)} of them undefined", file=sys.stderr)
PYTHON
