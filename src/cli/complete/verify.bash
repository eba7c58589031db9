# Completion of verify for bash. Needs no other file.
_verify() {
    local line quote="${COMP_WORDS[COMP_CWORD]:0:1}"
    COMPREPLY=()
    while IFS= read -r line; do
        # Names of cases have blanks and more: they are quoted as the word is that is being typed.
        case "$quote" in
            \') line=${line//\'/\'\\\'\'} ;;
            \") line=${line//\\/\\\\} line=${line//\"/\\\"} line=${line//\$/\\\$} line=${line//\`/\\\`} ;;
            *) printf -v line %q "$line" ;;
        esac
        COMPREPLY+=("$line")
    done < <(VERIFY_COMPLETE=bash "$1" -- "${COMP_WORDS[@]:0:COMP_CWORD}" "$2" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o nosort -F _verify verify 2>/dev/null || complete -F _verify verify
