# Bash completion for holdfast: commands, their options, values that are a choice of few, and names,
# which it asks a running agent for. It never starts one: without an agent there are no names.
# tests/rules/test_completion.py holds it against the table of commands.

# Names that fit what is typed, one a line; what ends with "/" goes on.
_holdfast_names() {
    local name
    while read -r name; do
        COMPREPLY+=("$(printf %q "$name")")
        [[ $name != */ ]] || compopt -o nospace
    done < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}

_holdfast() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local typed="${COMP_WORDS[*]:1:COMP_CWORD-1}" command choices= names=
    local document="--file --scope --description --tag --set"
    local list="--scope --below --above --tag --name" remove="--scope --yes --force"
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
        ["key certify"]="--signer --pki-mount --pki-role --common-name --alt-name --ttl --ca-file"
        ["enroll"]="--scope --pki-mount --pki-role --common-name --alt-name --ttl --ca-file \
            --token-file --wrapping-path --key-type --bits --allow-extractable --renew"
        ["renew"]="--all --standby"
        ["ca show"]=""
        ["ca revoke"]="--serial --key-id --cert-file --reason"
        ["audit"]="--last --verify"
        ["certificate create"]="--from-token --object $document --dry-run"
        ["certificate list"]="$list"
        ["certificate show"]="--scope"
        ["certificate edit"]="$document --name"
        ["certificate delete"]="$remove"
        ["connector create"]="--address --namespace --login --login-mount --login-role \
            --token-file --token-env --root --role-id-file --secret-id-file --wrapped \
            --jwt-file --login-user --password-file --login-key --pki-mount --pki-role --share-with-ssh --audience \
            --issuer --subject --revoke-on-stop --renewal-minutes --certificate --server-name \
            --proxy --no-proxy --read-only $document --no-test --dry-run"
        ["connector list"]="$list"
        ["connector show"]="--scope"
        ["connector edit"]="--address --namespace --login --login-mount --login-role \
            --token-file --token-env --root --role-id-file --secret-id-file --wrapped \
            --jwt-file --login-user --password-file --login-key --pki-mount --pki-role --share-with-ssh --audience \
            --issuer --subject --revoke-on-stop --renewal-minutes --certificate --server-name \
            --proxy --no-proxy --read-only $document --name"
        ["connector delete"]="$remove"
        ["connector test"]="--scope"
        ["connector mounts"]="--scope"
        ["secrets-manager create"]="--connector --mount --default-role $document --dry-run"
        ["secrets-manager list"]="$list"
        ["secrets-manager show"]="--scope"
        ["secrets-manager edit"]="--connector --mount --default-role $document --name"
        ["secrets-manager delete"]="$remove"
        ["secrets-manager test"]="--scope"
        ["secrets-manager mounts"]="--scope"
        ["ssh-key create"]="--user --secrets-manager --role --principal --ttl --public-key --key \
            --token --pin-file --port --renewal $document --dry-run"
        ["ssh-key list"]="$list"
        ["ssh-key show"]="--scope"
        ["ssh-key edit"]="--user --secrets-manager --role --principal --ttl --public-key --key \
            --token --pin-file --port --renewal $document --name"
        ["ssh-key delete"]="$remove"
        ["ssh-key test"]="--scope --run --known-hosts --timeout"
        ["infrastructure create"]="--ssh-key --host --hosts-file --inventory --concurrency \
            $document --dry-run"
        ["infrastructure list"]="$list"
        ["infrastructure show"]="--scope"
        ["infrastructure edit"]="--ssh-key --host --hosts-file --inventory --concurrency \
            $document --name"
        ["infrastructure delete"]="$remove"
        ["infrastructure test"]="--ssh-key --user --limit --concurrency --timeout --known-hosts \
            --scope"
        ["apply"]="--file --dry-run --yes --prune --scope"
        ["export"]="--scope --output"
        ["registry backup"]=""
        ["registry restore"]="--offline --yes"
        ["registry status"]="--scope"
        ["vault check"]="--mount --role --principal --scope"
        ["vault ca"]="--mount --issuer --hosts --scope"
        ["connect"]="--identity --run --known-hosts --timeout --scope"
        ["run"]="--infrastructure --host --ssh-key --user --limit --concurrency --timeout \
            --known-hosts --scope"
        ["ssh-config"]=""
    )

    COMPREPLY=()
    case $previous in
    --type) choices="p256 p384 p521 rsa ed25519" ;;
    --bits) choices="2048 3072 4096" ;;
    --login) choices="token approle cert jwt kubernetes userpass token-key" ;;
    --ca-file | --cert-file | --config | --control | --file | --hosts-file | --inventory | \
        --jwt-file | --known-hosts | --module | --output | --password-file | --pin-file | \
        --public-key | --role-id-file | --secret-id-file | --token-file | -f)
        compopt -o default
        return
        ;;
    --address | --alt-name | --audience | --certificate | --common-name | --concurrency | \
        --connector | --default-role | --description | --from-token | --host | --hosts | \
        --id | --identity | --infrastructure | --issuer | --key | --key-id | --key-type | \
        --label | --last | --limit | --login-key | --login-mount | --login-role | \
        --login-user | --mount | --name | --namespace | --no-proxy | --object | --pki-mount | \
        --pki-role | --port | --principal | --proxy | --reason | --renewal | --renewal-minutes | \
        --role | --run | --scope | --secrets-manager | --serial | --server-name | --set | --signer | \
        --ssh-key | --subject | --tag | --timeout | --token | --token-env | --ttl | --user | \
        --wrapping-path | -i)
        _holdfast_names
        return
        ;;
    *)
        for command in "${!options[@]}"; do
            case "$typed " in
            "$command "*)
                choices="${options[$command]} --config --control --json --help"
                names=yes
                ;;
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
    [ -z "$names" ] || [[ $current == -* ]] || _holdfast_names
}
complete -F _holdfast holdfast
