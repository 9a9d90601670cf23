"""Tokens: what aikeys issues so that somebody may use keys for a while. Everything here is pure.

text         how a token looks, and what a typo in it is
credentials  what follows from its secret: verifier, key pair, child-signing key
scopes       what a token may do; roles are named sets of scopes
patterns     which models and addresses
claims       what is signed of a token, and when one is narrower than another
chain        from a token's claims up to the vault's signing key
grants       a data key handed to a token, alone or together with the gateway
token_request what is asked for, and the claims it makes
The tokens of a vault, their rows and their life are in aikeys/vault/tokens.
"""
