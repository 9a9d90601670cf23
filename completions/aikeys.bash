# Completion of aikeys for bash. Made by completions/generate.py.
_aikeys_program() {
  if declare -F _command_offset >/dev/null; then
    _command_offset "$1"
  elif ((COMP_CWORD == $1)); then
    mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
  else
    compopt -o default
  fi
}
_aikeys() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path= word i
  local -a at=()
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ $word == -- ]]; then
      [[ $path == /exec ]] && _aikeys_program $((i + 1))
      return
    fi
    if [[ $word == --home ]]; then
      [[ ${COMP_WORDS[i+1]} == = ]] && ((i++))
      ((++i < COMP_CWORD)) && at=(--home "${COMP_WORDS[i]/#\~/$HOME}")
      continue
    fi
    case "$path/$word" in
      /init|/add|/list|/ls|/show|/edit|/verify|/rotate|/revoke|/import|/scan|/exec|/env|/use|/allow|/token|/token/issue|/token/create|/token/list|/token/show|/token/revoke|/token/prune|/gateway|/login|/logout|/unlock|/lock|/prompt|/estimate|/models|/providers|/report|/ledger|/ledger/verify|/ledger/head|/ledger/export|/ledger/import|/ledger/archive|/ledger/resolve|/ledger/erase|/log|/audit|/top|/budget|/budget/set|/budget/list|/budget/remove|/budget/check|/alert|/alert/add|/alert/list|/alert/remove|/alert/test|/alert/deliver|/prices|/prices/status|/prices/show|/prices/update|/unlock-method|/unlock-method/list|/unlock-method/add|/unlock-method/remove|/passphrase|/backup|/restore|/config|/config/export|/config/apply|/doctor|/help|/demo|/completion) path=$path/$word ;;
    esac
  done
  case $path:$prev in
    :--home) compopt -o default; return ;;
    /init:--key-file) compopt -o default; return ;;
    /add:--provider) mapfile -t COMPREPLY < <(compgen -W 'anthropic azure-openai baseten bedrock cerebras cohere databricks deepgram deepinfra deepseek elevenlabs fireworks gemini github-models groq holysheep huggingface llama-cpp lmstudio minimax mistral moonshot nebius novita nvidia ollama openai openrouter other perplexity qwen replicate siliconflow stepfun together vercel vllm volcengine voyage xai zhipu' -- "$cur"); return ;;
    /add:--region) :; return ;;
    /add:--base-url) :; return ;;
    /add:--file) :; return ;;
    /add:--team) :; return ;;
    /add:--project) :; return ;;
    /add:--environment) :; return ;;
    /add:--user) :; return ;;
    /add:--rotate-every) :; return ;;
    /add:--expires) :; return ;;
    /add:--var) :; return ;;
    /edit:--rename) :; return ;;
    /edit:--region) :; return ;;
    /edit:--base-url) :; return ;;
    /edit:--var) :; return ;;
    /edit:--team) :; return ;;
    /edit:--project) :; return ;;
    /edit:--environment) :; return ;;
    /edit:--user) :; return ;;
    /edit:--rotate-every) :; return ;;
    /edit:--expires) :; return ;;
    /rotate:--grace) :; return ;;
    /revoke:--grace) :; return ;;
    /import:--from) mapfile -t COMPREPLY < <(compgen -W 'dotenv env llm pass keyring' -- "$cur"); return ;;
    /scan:--format) mapfile -t COMPREPLY < <(compgen -W 'text json github' -- "$cur"); return ;;
    /exec:--env) :; return ;;
    /exec:--as-file) :; return ;;
    /exec:--env-file) compopt -o default; return ;;
    /exec:--budget) :; return ;;
    /exec:--model) :; return ;;
    /exec:--ttl) :; return ;;
    /exec:--rpm) :; return ;;
    /exec:--when-unknown) mapfile -t COMPREPLY < <(compgen -W 'worst estimate' -- "$cur"); return ;;
    /env:--env) :; return ;;
    /env:--shell) mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish powershell' -- "$cur"); return ;;
    /allow:--allow-file) :; return ;;
    /token/issue:--name) :; return ;;
    /token/issue:--for) mapfile -t COMPREPLY < <(compgen -W 'person app ci agent' -- "$cur"); return ;;
    /token/issue:--ttl) :; return ;;
    /token/issue:--role) mapfile -t COMPREPLY < <(compgen -W 'viewer finance developer operator admin' -- "$cur"); return ;;
    /token/issue:--scope) mapfile -t COMPREPLY < <(compgen -W 'chat:write chat:read embeddings:write usage:own usage:read budget:own budget:read budget:write audit:read keys:read keys:write env:read native:all alert:send' -- "$cur"); return ;;
    /token/issue:--key) mapfile -t COMPREPLY < <(aikeys "${at[@]}" __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); return ;;
    /token/issue:--model) :; return ;;
    /token/issue:--team) :; return ;;
    /token/issue:--project) :; return ;;
    /token/issue:--environment) :; return ;;
    /token/issue:--user) :; return ;;
    /token/issue:--tag) :; return ;;
    /token/issue:--budget) :; return ;;
    /token/issue:--rpm) :; return ;;
    /token/issue:--tpm) :; return ;;
    /token/issue:--address) :; return ;;
    /token/create:--name) :; return ;;
    /token/create:--for) mapfile -t COMPREPLY < <(compgen -W 'person app ci agent' -- "$cur"); return ;;
    /token/create:--ttl) :; return ;;
    /token/create:--role) mapfile -t COMPREPLY < <(compgen -W 'viewer finance developer operator admin' -- "$cur"); return ;;
    /token/create:--scope) mapfile -t COMPREPLY < <(compgen -W 'chat:write chat:read embeddings:write usage:own usage:read budget:own budget:read budget:write audit:read keys:read keys:write env:read native:all alert:send' -- "$cur"); return ;;
    /token/create:--key) mapfile -t COMPREPLY < <(aikeys "${at[@]}" __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); return ;;
    /token/create:--model) :; return ;;
    /token/create:--team) :; return ;;
    /token/create:--project) :; return ;;
    /token/create:--environment) :; return ;;
    /token/create:--user) :; return ;;
    /token/create:--tag) :; return ;;
    /token/create:--budget) :; return ;;
    /token/create:--rpm) :; return ;;
    /token/create:--tpm) :; return ;;
    /token/create:--address) :; return ;;
    /token/list:--team) :; return ;;
    /token/list:--user) :; return ;;
    /token/revoke:--team) :; return ;;
    /token/revoke:--user) :; return ;;
    /gateway:--host) :; return ;;
    /gateway:--port) :; return ;;
    /gateway:--credential) compopt -o default; return ;;
    /gateway:--workers) :; return ;;
    /gateway:--tls-cert) compopt -o default; return ;;
    /gateway:--tls-key) compopt -o default; return ;;
    /gateway:--write-credential) compopt -o default; return ;;
    /unlock:--ttl) :; return ;;
    /prompt:-m|/prompt:--model) :; return ;;
    /prompt:-s|/prompt:--system) :; return ;;
    /prompt:-f|/prompt:--file) compopt -o default; return ;;
    /prompt:-a|/prompt:--attachment) compopt -o default; return ;;
    /prompt:--schema) compopt -o default; return ;;
    /prompt:-o|/prompt:--option) :; return ;;
    /prompt:--max-tokens) :; return ;;
    /prompt:--max-cost) :; return ;;
    /prompt:--team) :; return ;;
    /prompt:--project) :; return ;;
    /prompt:--environment) :; return ;;
    /prompt:--user) :; return ;;
    /prompt:--tag) :; return ;;
    /estimate:-m|/estimate:--model) :; return ;;
    /estimate:-s|/estimate:--system) :; return ;;
    /estimate:-f|/estimate:--file) compopt -o default; return ;;
    /estimate:-a|/estimate:--attachment) compopt -o default; return ;;
    /estimate:--max-tokens) :; return ;;
    /estimate:--output) :; return ;;
    /report:--by) :; return ;;
    /report:--where) :; return ;;
    /report:--month) :; return ;;
    /report:--since) :; return ;;
    /report:--until) :; return ;;
    /report:--tz) :; return ;;
    /report:--compare) :; return ;;
    /report:--top) :; return ;;
    /report:--format) mapfile -t COMPREPLY < <(compgen -W 'table json csv markdown openmetrics focus' -- "$cur"); return ;;
    /ledger/verify:--expect) :; return ;;
    /ledger/verify:--public-key) compopt -o default; return ;;
    /ledger/verify:--archive) compopt -o default; return ;;
    /ledger/export:--format) mapfile -t COMPREPLY < <(compgen -W 'jsonl csv' -- "$cur"); return ;;
    /ledger/export:--month) :; return ;;
    /ledger/export:--since) :; return ;;
    /ledger/export:--until) :; return ;;
    /ledger/export:-o|/ledger/export:--output) compopt -o default; return ;;
    /ledger/archive:--before) :; return ;;
    /ledger/archive:--to) compopt -o default; return ;;
    /ledger/resolve:--cost) :; return ;;
    /ledger/erase:--user) :; return ;;
    /ledger/erase:--key) mapfile -t COMPREPLY < <(aikeys "${at[@]}" __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); return ;;
    /log:-n|/log:--newest) :; return ;;
    /log:--month) :; return ;;
    /log:--since) :; return ;;
    /log:--until) :; return ;;
    /audit:-n|/audit:--newest) :; return ;;
    /audit:--month) :; return ;;
    /audit:--since) :; return ;;
    /audit:--until) :; return ;;
    /audit:--who) :; return ;;
    /audit:--act) :; return ;;
    /top:--by) :; return ;;
    /top:--minutes) :; return ;;
    /budget/set:--period) mapfile -t COMPREPLY < <(compgen -W 'day week month total' -- "$cur"); return ;;
    /budget/set:--alert) :; return ;;
    /budget/set:--at-limit) mapfile -t COMPREPLY < <(compgen -W 'block warn revoke' -- "$cur"); return ;;
    /budget/set:--when-unknown) mapfile -t COMPREPLY < <(compgen -W 'worst estimate' -- "$cur"); return ;;
    /budget/remove:--period) mapfile -t COMPREPLY < <(compgen -W 'day week month total' -- "$cur"); return ;;
    /budget/check:--fail-on) mapfile -t COMPREPLY < <(compgen -W 'warning exceeded' -- "$cur"); return ;;
    /budget/check:--max-unpriced) :; return ;;
    /budget/check:--format) mapfile -t COMPREPLY < <(compgen -W 'table json markdown github' -- "$cur"); return ;;
    /alert/add:--email) :; return ;;
    /alert/add:--smtp) :; return ;;
    /alert/add:--from) :; return ;;
    /alert/add:--smtp-user) :; return ;;
    /alert/add:--password-key) :; return ;;
    /alert/add:--security) :; return ;;
    /alert/add:--webhook) :; return ;;
    /alert/add:--url-key) :; return ;;
    /alert/add:--style) :; return ;;
    /alert/add:--sign-key) :; return ;;
    /alert/add:--command) :; return ;;
    /alert/add:--time-limit) :; return ;;
    /alert/add:--on) :; return ;;
    /alert/list:-n|/alert/list:--newest) :; return ;;
    /prices/update:--from) compopt -o default; return ;;
    /unlock-method/add:--new-file) compopt -o default; return ;;
    /passphrase:--new-file) compopt -o default; return ;;
  esac
  case $path in
    '') if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--home -q --quiet -v --verbose --no-input -y --yes --version -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'init add list show edit verify rotate revoke import scan exec env use allow token gateway login logout unlock lock prompt estimate models providers report ledger log audit top budget alert prices unlock-method passphrase backup restore config doctor help demo completion' -- "$cur"); fi ;;
    /init) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--passphrase --keyring --key-file -h --help' -- "$cur"); else :; fi ;;
    /add) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--provider --region --base-url --stdin --file --team --project --environment --user --rotate-every --expires --var --no-verify --allow-http -h --help' -- "$cur"); else :; fi ;;
    /list) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--due --balance --json -h --help' -- "$cur"); else :; fi ;;
    /ls) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--due --balance --json -h --help' -- "$cur"); else :; fi ;;
    /show) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--reveal --raw --json -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys "${at[@]}" __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /edit) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--rename --region --base-url --allow-http --no-allow-http --var --default --team --project --environment --user --rotate-every --expires -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys "${at[@]}" __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /verify) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys "${at[@]}" __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /rotate) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--due --undo --stdin --grace --no-verify -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys "${at[@]}" __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /revoke) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--grace --now --undo -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys "${at[@]}" __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /import) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--from -r --recursive --remove --undo --dry-run -h --help' -- "$cur"); else compopt -o default; fi ;;
    /scan) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--git --history --agents --all-files --format --json -h --help' -- "$cur"); else compopt -o default; fi ;;
    /exec) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--all --env --as-file --env-file --clean-env --nested --unmetered --metered --budget --model --ttl --rpm --when-unknown -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys "${at[@]}" __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /env) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--all --env --shell --unmetered --json -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys "${at[@]}" __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /use) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys "${at[@]}" __names 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /allow) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--allow-file --remove --list --json -h --help' -- "$cur"); else compopt -o default; fi ;;
    /token) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'issue list show revoke prune' -- "$cur"); fi ;;
    /token/issue) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--name --for --ttl --role --scope --key --model --team --project --environment --user --tag --budget --rpm --tpm --once --address --json -h --help' -- "$cur"); else :; fi ;;
    /token/create) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--name --for --ttl --role --scope --key --model --team --project --environment --user --tag --budget --rpm --tpm --once --address --json -h --help' -- "$cur"); else :; fi ;;
    /token/list) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--all --team --user --json -h --help' -- "$cur"); else :; fi ;;
    /token/show) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys "${at[@]}" __names tokens 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /token/revoke) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--team --user --all --keep-children -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(aikeys "${at[@]}" __names tokens 2>/dev/null | while IFS= read -r word; do [[ $word == "$cur"* ]] && echo "$word"; done); fi ;;
    /token/prune) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else :; fi ;;
    /gateway) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--host --port --sealed --credential --workers --tls-cert --tls-key --behind-proxy --no-proxy --write-credential --print-systemd -h --help' -- "$cur"); else :; fi ;;
    /login) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--stdin --file -h --help' -- "$cur"); else :; fi ;;
    /logout) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else :; fi ;;
    /unlock) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--ttl -h --help' -- "$cur"); else :; fi ;;
    /lock) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else :; fi ;;
    /prompt) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-m --model -s --system -f --file -a --attachment --schema -o --option --max-tokens --no-stdin --max-cost --team --project --environment --user --tag --no-stream --usage --dry-run --json -h --help' -- "$cur"); else :; fi ;;
    /estimate) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-m --model -s --system -f --file -a --attachment --max-tokens --no-stdin --output --json -h --help' -- "$cur"); else :; fi ;;
    /models) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--all --json -h --help' -- "$cur"); else :; fi ;;
    /providers) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else :; fi ;;
    /report) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--by --where --month --since --until --tz --compare --top --format --json -h --help' -- "$cur"); else :; fi ;;
    /ledger) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'verify head export import archive resolve erase' -- "$cur"); fi ;;
    /ledger/verify) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--expect --public-key --archive --json -h --help' -- "$cur"); else :; fi ;;
    /ledger/head) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else :; fi ;;
    /ledger/export) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--format --month --since --until -o --output -h --help' -- "$cur"); else :; fi ;;
    /ledger/import) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--new-ledger --json -h --help' -- "$cur"); else compopt -o default; fi ;;
    /ledger/archive) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--before --to --json -h --help' -- "$cur"); else :; fi ;;
    /ledger/resolve) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--cost --json -h --help' -- "$cur"); else :; fi ;;
    /ledger/erase) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--user --key -h --help' -- "$cur"); else :; fi ;;
    /log) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-n --newest --month --since --until --follow --json -h --help' -- "$cur"); else :; fi ;;
    /audit) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-n --newest --month --since --until --who --act --json -h --help' -- "$cur"); else :; fi ;;
    /top) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--by --minutes --once --json -h --help' -- "$cur"); else :; fi ;;
    /budget) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'set list remove check' -- "$cur"); fi ;;
    /budget/set) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--period --alert --at-limit --when-unknown -h --help' -- "$cur"); else :; fi ;;
    /budget/list) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else :; fi ;;
    /budget/remove) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--period -h --help' -- "$cur"); else :; fi ;;
    /budget/check) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--fail-on --max-unpriced --format --json -h --help' -- "$cur"); else :; fi ;;
    /alert) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'add list remove test deliver' -- "$cur"); fi ;;
    /alert/add) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--email --smtp --from --smtp-user --password-key --security --webhook --url-key --style --sign-key --command --time-limit --on -h --help' -- "$cur"); else :; fi ;;
    /alert/list) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-n --newest --json -h --help' -- "$cur"); else :; fi ;;
    /alert/remove) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else :; fi ;;
    /alert/test) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else :; fi ;;
    /alert/deliver) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else :; fi ;;
    /prices) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'status show update' -- "$cur"); fi ;;
    /prices/status) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else :; fi ;;
    /prices/show) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else :; fi ;;
    /prices/update) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--from --accept -h --help' -- "$cur"); else :; fi ;;
    /unlock-method) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'list add remove' -- "$cur"); fi ;;
    /unlock-method/list) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else :; fi ;;
    /unlock-method/add) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--new-file -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'keyring passphrase recovery key-file' -- "$cur"); fi ;;
    /unlock-method/remove) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--compromised -h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'keyring passphrase recovery key-file' -- "$cur"); fi ;;
    /passphrase) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--new-file --compromised -h --help' -- "$cur"); else :; fi ;;
    /backup) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else compopt -o default; fi ;;
    /restore) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--keep-tokens -h --help' -- "$cur"); else compopt -o default; fi ;;
    /config) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'export apply' -- "$cur"); fi ;;
    /config/export) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else :; fi ;;
    /config/apply) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--dry-run --json -h --help' -- "$cur"); else compopt -o default; fi ;;
    /doctor) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--json -h --help' -- "$cur"); else :; fi ;;
    /help) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else :; fi ;;
    /demo) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '--keep -h --help' -- "$cur"); else :; fi ;;
    /completion) if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '-h --help' -- "$cur"); else mapfile -t COMPREPLY < <(compgen -W 'bash zsh fish' -- "$cur"); fi ;;
  esac
}
complete -o bashdefault -F _aikeys aikeys
