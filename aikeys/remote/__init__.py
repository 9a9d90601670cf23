"""The client of a gateway: what it is asked over HTTP by somebody who has its address and a token, and nothing else.

Needs no vault and no ledger here, and makes none. Must not know: the command line.

    client       one request, its answer or its refusal
    refusals     what a refusal means here: which error, which exit status
    chat         a prompt, whole or as it comes
    tokens       /v1/keys in the words of `aikeys token`
    usage        /v1/usage as a report
    login        which gateway this home is logged in at, and where its token is kept
"""
