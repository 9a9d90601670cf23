"""Texts that stand for a secret and are none (pure): references of any tool, ciphertext, templates, placeholders.

Whoever reads such a line gets the secret from elsewhere, so the line is not the place to remove a key from.
"""

from __future__ import annotations

import re

_VARIABLE = re.compile(r"\$[A-Za-z_(]|.*\$[{(]|%[A-Za-z_]\w*%\Z|\$env:", re.DOTALL)  # a dollar alone may be in a secret
_TEMPLATE = re.compile(r".*(?:\{\{.*\}\}|<%.*%>|\$\[\[.*\]\])", re.DOTALL)
_CIPHERTEXT = (
    ("encrypted:", "dotenvx"),
    ("ENC[", "sops"),
    ("ENC(", "jasypt"),
    ("age-encryption.org", "age"),
    ("-----BEGIN AGE", "age"),
    ("-----BEGIN PGP MESSAGE", "PGP"),
    ("$ANSIBLE_VAULT", "ansible-vault"),
    ("!vault", "ansible-vault"),
    ("vault:v", "HashiCorp Vault"),
    ("kms:", "a KMS"),
    ("AQICAH", "AWS KMS"),
    ("gAAAAA", "Fernet"),
)
_REFERENCES = re.compile(
    r"(?:op|aikeys|vault|aws-?\w*|gcp-?\w*|az(?:ure)?-?\w*|sm|ssm|secret|secrets|ref\+\w+|keyring|keychain|pass|bw|doppler|"
    r"infisical|akeyless|conjur|berglas|teller|envkey|file|env|sops|gopass|lastpass|chamber)://",
    re.IGNORECASE,
)
_LOOKUPS = re.compile(
    r"(?:@(?:keyring|env|file|kv|Microsoft\.KeyVault)\b|projects/[^/]+/secrets/|arn:aws:(?:secretsmanager|ssm|kms):|"
    r"(?:keyring|keychain|pass|secret|file|cmd|env):[^/])",
    re.IGNORECASE,
)


def reason(text: str) -> str:
    """Say why a text only stands for a secret, "" where it may be one; the text itself is never repeated."""
    for start, tool in _CIPHERTEXT:
        if text.startswith(start):
            return f"encrypted by {tool}"
    if _VARIABLE.match(text):
        return "refers to another variable"
    if _REFERENCES.match(text) or _LOOKUPS.match(text):
        return "a reference to a secret kept elsewhere"
    if _TEMPLATE.match(text):
        return "a template"
    return "an address, not a key" if "://" in text else ""
