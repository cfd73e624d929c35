# Bash completion for holdfast: commands, their options, and values that are a choice of few.
# It asks nobody: a completion must not start an agent. tests/rules/test_completion.py holds it
# against the table of commands.

_holdfast() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local typed="${COMP_WORDS[*]:1:COMP_CWORD-1}" command choices=
    local -A options=(
        ["init"]="--yes --module --output --force"
        ["config check"]=""
        ["agent"]=""
        ["status"]=""
        ["token list"]=""
        ["token show"]=""
        ["token unlock"]="--last-try --configured"
        ["key list"]="--token"
        ["key generate"]="--token --type --bits --label --id"
        ["key show"]="--prove"
        ["key public"]=""
        ["key delete"]="--yes --force"
        ["renew"]=""
        ["connect"]="--identity --run --known-hosts --timeout"
        ["ssh-config"]=""
    )

    COMPREPLY=()
    case $previous in
    --type) choices="p256 p384 p521 rsa ed25519" ;;
    --bits) choices="2048 3072 4096" ;;
    --config | --control | --module | --output | --known-hosts)
        compopt -o default
        return
        ;;
    --token | --label | --id | --identity | --run | --timeout) return ;;
    *)
        for command in "${!options[@]}"; do
            case "$typed " in
            "$command "*) choices="${options[$command]} --config --control --json --help" ;;
            *) case $command in "${typed:+$typed }"*)
                command=${command#"${typed:+$typed }"}
                choices+=" ${command%% *}"
                ;;
            esac ;;
            esac
        done
        [ -n "$typed" ] || choices+=" help version"
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$current" | sort -u)
}
complete -F _holdfast holdfast
