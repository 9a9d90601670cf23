"""aikeys keeps AI provider keys in an encrypted vault and lends them to programs.

Map of the package; arrows of import point down only (pyproject.toml, import-linter):

    cli/         the door: parse, call, print
    lending/     hand keys to a child process (`aikeys exec`)
    rotation/    replace a key safely: verify, switch, grace, undo
    imports/     find keys in .env files, the environment and llm's keys.json
    vault/       sealed keys: format (pure), unlock methods, store, changes
    ledger/      hash-chained record of administrative acts, anchor of the vault's epoch
    providers/   catalogue of providers (data), recognising a key's format, verifying a key
    storage/     SQLite files with the permissions of a vault
    config, secret, clock, errors
"""

__version__ = "0.1.0"
