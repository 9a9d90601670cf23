"""aikeys keeps AI provider keys in an encrypted vault and lends them to programs.

Map of the package; arrows of import point down only (pyproject.toml, import-linter):

    cli/         door 1: parse, call, print; a command is a file in commands/, ports/ ask this machine or a gateway,
                 render/ writes tables and JSON, console/ is the terminal, keys/ and asked/ serve several commands,
                 checks/ is what doctor looks at, demo/ is `aikeys demo`
    gateway/     door 2: HTTP in, the same services below: http/, routes/, formats/
    remote/      ask such a gateway elsewhere: a prompt, usage, budgets, log, tokens; which one a home is logged in at
    lending/     hand keys to a child process (`aikeys exec`)
    rotation/    replace a key safely: verify, switch, grace, undo
    imports/     find keys in .env files, the environment and llm's keys.json
    reports/     questions over the ledger: rows, totals, coverage, forecast, anomalies
    spending/    the one way to spend: authorise, reserve, call, settle
    policy/      budgets, alerts, aliases and prices as one file for git
    vault/       sealed keys: format (pure), unlock methods, store, changes; tokens/: admission, issuing, revoking
    tokens/      what a token is and may do: text, scopes, claims, chain, grants (pure)
    budgets/     limits, periods, decisions (pure), reservations
    alerts/      who is told, once: email, webhook, command
    ledger/      hash-chained record of calls and administrative acts, roll-ups, anchor of the vault's epoch
    pricing/     price book (data), cost of a usage, worst case of a request
    providers/   catalogue of providers (data), wire formats (pure), transport, masking of replies, verifying a key
    sealing      the cryptography of vault and tokens: seal, hand over, sign
    storage/     SQLite files with the permissions of a vault
    network/     which proxy, which certificates, whose address: what every connection to elsewhere rests on
    config, project, names, money, secret, own_memory, clock, errors
"""

__version__ = "0.1.0"
