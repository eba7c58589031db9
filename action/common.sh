# shellcheck shell=bash
# What the scripts of the action share. Inputs arrive in variables of the environment, IN_*; nothing of them is ever
# made part of a script. Works with the bash 3.2 of macOS.

# escaped TEXT: the text as the message of a command of the runner.
escaped() {
    local text=$1
    text=${text//'%'/%25}
    text=${text//$'\r'/%0D}
    text=${text//$'\n'/%0A}
    printf '%s' "$text"
}

# Ends the step with an explanation that GitHub shows on the run's page.
fail() {
    printf '::error title=policy-verify::%s\n' "$(escaped "$1")"
    exit 2
}

# wrong FILE LINE TEXT: an error at a line of a file. The step goes on, so that all of them are told.
wrong() {
    local file
    file=$(escaped "$1")
    file=${file//:/%3A}
    printf '::error file=%s,line=%s,title=policy-verify::%s\n' "${file//,/%2C}" "$2" "$(escaped "$1:$2: $3")"
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

# Publishing is for events that carry no code of strangers, the same as in the command, which looks again.
require_publishing_event() {
    case "$GITHUB_EVENT_NAME" in
        push | release | schedule) ;;
        workflow_dispatch)
            [ "${GITHUB_REF_PROTECTED:-true}" = true ] ||
                fail "nothing is pushed on the event \`workflow_dispatch\`: the branch or tag is not protected. Protect it, or push when something is merged or tagged: if: github.event_name == 'push'"
            ;;
        *)
            fail "nothing is pushed on the event \`$GITHUB_EVENT_NAME\`: its code may be that of a pull request, which has not been looked at yet. Push when it is merged or tagged: if: github.event_name == 'push'"
            ;;
    esac
}

# in_workspace ARGUMENTS: git in the checkout, which may be a stranger's: it reads the repository of the workspace and no
# other, runs no hook and fetches nothing.
in_workspace() {
    GIT_NO_LAZY_FETCH=1 GIT_TERMINAL_PROMPT=0 GIT_CEILING_DIRECTORIES=$(dirname "$GITHUB_WORKSPACE") \
        git -C "$GITHUB_WORKSPACE" -c safe.bareRepository=explicit -c core.hooksPath=/dev/null -c core.fsmonitor=false \
        -c protocol.allow=never -c core.quotePath=false "$@"
}

# policy_folder PATH: the folder as git writes it, without `./` and the last slash; it is inside the repository.
policy_folder() {
    local folder=$1
    while [ "$folder" != "${folder#./}" ]; do folder=${folder#./}; done
    folder=${folder%/}
    case "/$folder/" in
        // | /./) folder=. ;;
        //* | */../* | *$'\n'*) fail "the input \`policy-working-dir\` is \`$1\`; it takes a folder of the repository" >&2 ;;
    esac
    [ -d "$folder" ] || fail "the input \`policy-working-dir\` is \`$1\`, and there is no such folder; has the repository been checked out?" >&2
    printf '%s\n' "$folder"
}
