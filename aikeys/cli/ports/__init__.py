"""Ports of the commands to calls, acts, reports, budgets, tokens and models: on this machine, or at a gateway.

One noun a file: a Protocol in the values that the command prints, an implementation `…Here` over the vault and the
ledger of this home, one `…There` over `aikeys/remote/`, and the function that returns the one to ask.

- choice.py alone decides which. A command never learns which it was.
- What a gateway cannot do is refused by `…There`: Usage that says so.
- Must not know: Typer, and how an answer is printed. What concerns only one place is said here, on standard error.

    choice       this machine, or the gateway that AIKEYS_GATEWAY or a login names
    acts         `aikeys audit`
    asker        `aikeys prompt`: asker_here and asker_there
    budgets      `aikeys budget list` and `aikeys budget check`
    calls        `aikeys log` and `aikeys top`
    models       `aikeys models`
    reports      `aikeys report`
    tokens       `aikeys token`: tokens_here and tokens_there
"""
