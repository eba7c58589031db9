# shellcheck shell=bash
# What the scripts of the action share. Inputs arrive in variables of the environment, IN_*; nothing of them is ever
# made part of a script. Works with the bash 3.2 of macOS.

# Ends the step with an explanation that GitHub shows on the run's page.
fail() {
    local text=$1
    text=${text//'%'/%25}
    text=${text//$'\r'/%0D}
    text=${text//$'\n'/%0A}
    printf '::error title=policy-verify::%s\n' "$text"
    exit 2
}

# output NAME VALUE: an output of the step. Values are of one line.
output() {
    case "$2" in
        *$'\n'* | *$'\r'*) fail "the output $1 would have several lines" ;;
    esac
    printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"
}

# boolean NAME VALUE: prints true or false; anything else is an error, as in GitHub's own toolkit.
boolean() {
    case "$2" in
        true | True | TRUE) echo true ;;
        false | False | FALSE) echo false ;;
        *) fail "the input \`$1\` is \`$2\`; it takes true, True, TRUE, false, False or FALSE" >&2 ;;
    esac
}

# lines TEXT: its lines without the blanks around them; empty ones are left out.
lines() {
    local line
    while IFS= read -r line || [ -n "$line" ]; do
        line=${line#"${line%%[![:space:]]*}"}
        line=${line%"${line##*[![:space:]]}"}
        [ -z "$line" ] || printf '%s\n' "$line"
    done <<<"$1"
}

# drop_tokens NAME...: takes the tokens of the job out of the environment, but for those that are named.
drop_tokens() {
    local token
    for token in GH_TOKEN GITHUB_TOKEN GH_ENTERPRISE_TOKEN GITHUB_ENTERPRISE_TOKEN ACTIONS_RUNTIME_TOKEN \
        ACTIONS_ID_TOKEN_REQUEST_TOKEN ACTIONS_ID_TOKEN_REQUEST_URL; do
        case " $* " in
            *" $token "*) ;;
            *) unset "$token" ;;
        esac
    done
}
