#!/usr/bin/env bash
# The version that a tag names, held against the files of the policy that name one. A branch names none, and nothing is
# compared.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

cd -- "${GITHUB_WORKSPACE:-.}"
folder=$(policy_folder "$IN_POLICY_WORKING_DIR")
artifacthub=$(boolean artifacthub "$IN_ARTIFACTHUB")

# The folders of policies that are called like the tag's first part.
folders_called() {
    in_workspace ls-files -- metadata.yml metadata.yaml '*/metadata.yml' '*/metadata.yaml' | while IFS= read -r file; do
        dir=$(dirname "$file")
        if [ "$(basename "$dir")" = "$1" ]; then printf '%s\n' "$dir"; fi
    done | sort -u
}

# `v1.2.3`, or `NAME/v1.2.3` where a repository has several policies.
policy='' version='' source=''
if [ "$GITHUB_REF_TYPE" = tag ]; then
    source="the tag \`$GITHUB_REF_NAME\`"
    case "$GITHUB_REF_NAME" in */*) policy=$(basename "${GITHUB_REF_NAME%/*}") ;; esac
    tagged=${GITHUB_REF_NAME##*/}
    case "$tagged" in v[0-9]*) version=${tagged#v} ;; esac
fi
if [ -n "$IN_POLICY_VERSION" ]; then
    [ -z "$version" ] || [ "$version" = "${IN_POLICY_VERSION#v}" ] ||
        fail "the input \`policy-version\` is \`$IN_POLICY_VERSION\`, and $source names $version; leave the input out"
    source="the input \`policy-version\`"
    version=${IN_POLICY_VERSION#v}
fi
if [ -n "$source" ]; then
    [[ "$version" =~ ^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?$ ]] ||
        fail "$source names no version; a release is tagged as v1.2.3, or as NAME/v1.2.3 for one of several policies"
fi

if [ -n "$policy" ] && [ "$folder" = . ]; then
    found=$(folders_called "$policy")
    case "$found" in
        '') fail "$source is for the policy \`$policy\`, and no folder of that name has a metadata.yml" ;;
        *$'\n'*) fail "$source is for the policy \`$policy\`, and several folders have that name; set \`policy-working-dir\`: ${found//$'\n'/, }" ;;
    esac
    folder=$found
elif [ -n "$policy" ] && [ "$(basename "$folder")" != "$policy" ]; then
    fail "$source is for the policy \`$policy\`, and \`policy-working-dir\` is \`$folder\`"
fi

# toml_version FILE TABLE: `LINE VERSION`, the version being `workspace` where it is inherited.
toml_version() {
    awk -v table="[$2]" '
        { line = $0; sub(/[ \t]#.*/, "", line); gsub(/[ \t\r]/, "", line) }
        line ~ /^\[/ { here = (line == table); next }
        here && (line ~ /^version\.workspace=true/ || line ~ /^version=\{workspace=true/) { print NR, "workspace"; exit }
        here && line ~ /^version=/ { gsub(/^version=|["\047]/, "", line); print NR, line; exit }' "$1"
}

# yaml_version FILE KEY: `LINE VERSION` of the first line with the key.
yaml_version() {
    awk -v key="$2" '
        {
            line = $0
            sub(/[ \t]#.*/, "", line)
            gsub(/["\047\r]/, "", line)
            indent = line
            sub(/[^ \t].*/, "", indent)
            sub(/^[ \t]+/, "", line)
            if (key == "version" && indent != "") next
            if (index(line, key) != 1) next
            rest = substr(line, length(key) + 1)
            if (rest !~ /^[ \t]*:/) next
            sub(/^[ \t]*:[ \t]*/, "", rest)
            sub(/[ \t]+$/, "", rest)
            print NR, rest
            exit
        }' "$1"
}

# json_version FILE: the same for the version of a package.json.
json_version() {
    local value line
    command -v jq >/dev/null || fail "package.json is read with jq; install it on the runner" >&2
    value=$(jq -r '.version // empty' "$1" 2>/dev/null) || fail "$1 is not valid JSON" >&2
    [ -n "$value" ] || return 0
    line=$(grep -nE '^[^:]*"version"[[:space:]]*:' "$1" | grep -F "\"$value\"" | head -n 1 | cut -d : -f 1)
    printf '%s %s\n' "${line:-1}" "$value"
}

# The file that says the version of the workspace, from the folder upwards.
workspace_manifest() {
    local dir=$1
    while :; do
        if [ -f "$dir/Cargo.toml" ] && [ -n "$(toml_version "$dir/Cargo.toml" workspace.package)" ]; then
            printf '%s/Cargo.toml\n' "$dir"
            return
        fi
        [ "$dir" != . ] || return 0
        dir=$(dirname "$dir")
    done
}

compared=0 differ=0
# compare FILE FOUND: FOUND is `LINE VERSION`.
compare() {
    compared=$((compared + 1))
    if [ "${2#* }" = "$version" ]; then
        echo "$1:${2%% *}: $version, as $source"
    else
        differ=1
        wrong "$1" "${2%% *}" "the version is ${2#* }; $source names $version"
    fi
}

# missing FILE TEXT
missing() {
    differ=1
    wrong "$1" 1 "$2; $source names $version"
}

prefix="$folder/"
prefix=${prefix#./}
if [ -n "$version" ]; then
    if [ -f "${prefix}Cargo.toml" ]; then
        file=${prefix}Cargo.toml
        found=$(toml_version "$file" package)
        if [ "${found#* }" = workspace ]; then
            file=$(workspace_manifest "$folder")
            file=${file#./}
            if [ -n "$file" ]; then found=$(toml_version "$file" workspace.package); else found=''; fi
            [ -n "$found" ] || missing "${prefix}Cargo.toml" "the version is that of a workspace, and no Cargo.toml above has one"
        fi
        [ -z "$found" ] || compare "$file" "$found"
    fi
    if [ -f "${prefix}package.json" ]; then
        found=$(json_version "${prefix}package.json")
        [ -z "$found" ] || compare "${prefix}package.json" "$found"
    fi
    for file in "${prefix}metadata.yml" "${prefix}metadata.yaml"; do
        [ -f "$file" ] || continue
        found=$(yaml_version "$file" io.kubewarden.policy.version)
        if [ -n "$found" ]; then compare "$file" "$found"; else
            missing "$file" "the annotation \`io.kubewarden.policy.version\` is missing"
        fi
    done
    file=${prefix}artifacthub-pkg.yml
    if [ "$artifacthub" = true ] && [ -f "$file" ]; then
        found=$(yaml_version "$file" version)
        if [ -n "$found" ]; then compare "$file" "$found"; else missing "$file" "the key \`version\` is missing"; fi
    fi
    [ "$differ" = 0 ] || exit 2
    [ "$compared" -gt 0 ] ||
        fail "nothing in \`$folder\` says a version: no metadata.yml, Cargo.toml, package.json or artifacthub-pkg.yml; $source names $version"
else
    echo "a branch names no version: nothing is compared"
fi

output policy-working-dir "$folder"
output policy "$policy"
output version "$version"

# A part of the names of artifacts, which have no slashes.
case "$folder" in
    .) output artifact policy ;;
    *) output artifact "policy-${folder//[^A-Za-z0-9_-]/-}" ;;
esac
