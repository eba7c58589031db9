#!/usr/bin/env bash
# Rewrites calls.wasm beside it: a module that makes one of the calls of ../server/rego-builtins.jsonl, by its line number
# in the input. With `--check` it also holds the column `value` of that table against the real `opa eval`.
#
#   testdata/rego/make-calls.sh [--check]
#
# Left out are calls that OPA's compiler refuses (no column `server`), and those of built-ins that policy-server has under
# another name: a module with one of them does not load there. `json.marshal` is compiled into the module.

set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
command -v opa >/dev/null || { echo "there is no opa: go install github.com/open-policy-agent/opa@v1.4.2" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT

python3 - "$here" "$work" "${1:-}" <<'PYTHON'
import json, subprocess, sys, tarfile

here, work, option = sys.argv[1:]
rows = [json.loads(line) for line in open(f"{here}/../server/rego-builtins.jsonl", encoding="utf-8")]
renamed = {"date": "time.date", "parse_rfc3339_ns": "time.parse_rfc3339_ns"}


def write(name, lines):
    with open(f"{work}/{name}", "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


calls = ["package calls", "import rego.v1"]
for number, row in enumerate(rows):
    if "server" not in row or row["builtin"] in renamed:
        continue
    call = f'{row["builtin"]}({row["arguments"][1:-1]})'
    calls.append(f"value := json.marshal(result) if {{ input.line == {number}; result := {call} }}")
write("calls.rego", calls)
subprocess.run(["opa", "build", "--target", "wasm", "--entrypoint", "calls/value", "--output", f"{work}/bundle.tar.gz",
                f"{work}/calls.rego"], check=True)
with tarfile.open(f"{work}/bundle.tar.gz") as bundle, open(f"{here}/calls.wasm", "wb") as file:
    file.write(bundle.extractfile("/policy.wasm").read())

if option == "--check":
    arity = {"regex.template_match": 4, "regex.find_n": 3, "regex.split": 2, "json.patch": 2, "semver.compare": 2, "sprintf": 2}
    table = ["package table", "import rego.v1"]
    for number, row in enumerate(rows):
        # `object.get` gives a value of any type, so that the type checker refuses nothing.
        parameters = ", ".join(f"arguments[{number}][{n}]" for n in range(arity.get(row["builtin"], 1)))
        table.append(f'arguments[{number}] := object.get({{"all": {row["arguments"]}}}, "all", null)')
        table.append(f'values[{number}] := {renamed.get(row["builtin"], row["builtin"])}({parameters})')
    write("table.rego", table)
    run = subprocess.run(["opa", "eval", "--format", "json", "--data", f"{work}/table.rego", "data.table.values"],
                         stdout=subprocess.PIPE, text=True)
    values = json.loads(run.stdout)["result"][0]["expressions"][0]["value"]
    other = [row for number, row in enumerate(rows) if row.get("value") != values.get(str(number))]
    for row in other:
        print(json.dumps(row, ensure_ascii=False), file=sys.stderr)
    sys.exit(f"{len(other)} values of the table are not OPA's" if other else 0)
PYTHON
