#compdef verify
# Completion of verify for zsh: as the file _verify in a folder of fpath, or read after compinit.
_verify() {
    local line value
    local -a folders described plain
    for line in "${(@f)$(VERIFY_COMPLETE=zsh ${words[1]} -- "${(@)words[1,CURRENT]}" 2>/dev/null)}"; do
        value=${line%%$'\t'*}
        if [[ $value == */ ]]; then
            folders+=("$value")
        elif [[ $line == *$'\t'* ]]; then
            described+=("${${value//\\/\\\\}//:/\\:}:${line#*$'\t'}")
        elif [[ -n $value ]]; then
            plain+=("$value")
        fi
    done
    (( $#plain )) && compadd -V values -- "${(@)plain}"
    (( $#folders )) && compadd -V folders -S '' -- "${(@)folders}"
    (( $#described )) && _describe -V 'values' described
}
if [[ $funcstack[1] == _verify ]]; then
    _verify "$@"
else
    compdef _verify verify
fi
