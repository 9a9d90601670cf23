# Completion of aikeys for bash. Made by completions/generate.py.
_aikeys() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path= word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    [[ $word == -- ]] && return
    case "$path/$word" in
      /init|/add|/list|/ls|/show|/edit|/verify|/rotate|/revoke|/import|/exec|/unlock|/lock|/providers|/audit|/unlock-method|/unlock-method/list|/unlock-method/add|/unlock-method/remove|/passphrase|/backup|/restore|/doctor|/demo|/completion) path=$path/$word ;;
    esac
  done
  case $path:$prev in
    :--home) compopt -o default; return ;;
    /init:--key-file) compopt -o default; return ;;
    /add:--provider) :; return ;;
    /add:--region) :; return ;;
    /add:--base-url) :; return ;;
    /add:--team) :; return ;;
    /add:--project) :; return ;;
    /add:--environment) :; return ;;
    /add:--user) :; return ;;
    /add:--rotate-every) :; return ;;
    /add:--expires) :; return ;;
    /edit:--rename) :; return ;;
    /edit:--region) :; return ;;
    /edit:--base-url) :; return ;;
    /edit:--team) :; return ;;
    /edit:--project) :; return ;;
    /edit:--environment) :; return ;;
    /edit:--user) :; return ;;
    /edit:--rotate-every) :; return ;;
    /edit:--expires) :; return ;;
    /rotate:--grace) :; return ;;
    /import:--from) :; return ;;
    /exec:--env) :; return ;;
    /unlock:--ttl) :; return ;;
    /audit:-n|/audit:--newest) :; return ;;
    /unlock-method/add:--new-file) compopt -o default; return ;;
    /passphrase:--new-file) compopt -o default; return ;;
  esac
  case $path in
    '') if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--home -q --quiet -v --verbose --no-input -y --yes --version -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'init add list show edit verify rotate revoke import exec unlock lock providers audit unlock-method passphrase backup restore doctor demo completion' -- "$cur"); fi ;;
    /init) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--passphrase --keyring --key-file -h --help' -- "$cur"); else :; fi ;;
    /add) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--provider --region --base-url --stdin --team --project --environment --user --rotate-every --expires --no-verify -h --help' -- "$cur"); else :; fi ;;
    /list) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--due --json -h --help' -- "$cur"); else :; fi ;;
    /ls) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--due --json -h --help' -- "$cur"); else :; fi ;;
    /show) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--reveal --raw --json -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /edit) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--rename --region --base-url --default --team --project --environment --user --rotate-every --expires -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /verify) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /rotate) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--due --undo --stdin --grace --no-verify -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /revoke) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /import) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--from -h --help' -- "$cur"); else compopt -o default; fi ;;
    /exec) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--all --env --clean-env --nested --unmetered -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /unlock) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--ttl -h --help' -- "$cur"); else :; fi ;;
    /lock) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else :; fi ;;
    /providers) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else :; fi ;;
    /audit) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-n --newest --json -h --help' -- "$cur"); else :; fi ;;
    /unlock-method) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'list add remove' -- "$cur"); fi ;;
    /unlock-method/list) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else :; fi ;;
    /unlock-method/add) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--new-file -h --help' -- "$cur"); else :; fi ;;
    /unlock-method/remove) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--compromised -h --help' -- "$cur"); else :; fi ;;
    /passphrase) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--new-file --compromised -h --help' -- "$cur"); else :; fi ;;
    /backup) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else compopt -o default; fi ;;
    /restore) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else compopt -o default; fi ;;
    /doctor) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else :; fi ;;
    /demo) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--keep -h --help' -- "$cur"); else :; fi ;;
    /completion) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish' -- "$cur"); fi ;;
  esac
}
complete -o bashdefault -F _aikeys aikeys
