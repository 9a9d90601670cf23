"""What only stands for a key is never taken for one."""

from __future__ import annotations

import pytest

from aikeys.imports.references import reason


@pytest.mark.parametrize(
    "text",
    [
        "op://vault/item/field", "aikeys://openai", "ref+vault://secret/openai#key", "aws-sm://prod/openai", "keyring://a/b",
        "$OPENAI", "${OPENAI_API_KEY}", "$(pass show openai)", "%OPENAI%", "$env:OPENAI", "{{ openai }}", "${{ secrets.OPENAI }}",
        "encrypted:BDqDBibm4wsYqMpCjTQ6BsDHmMadg9K3", "ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]", "!vault |", "vault:v1:abc",
        "$ANSIBLE_VAULT;1.1;AES256", "gAAAAABhZ0", "arn:aws:secretsmanager:eu-west-1:1:secret:x", "projects/1/secrets/x/versions/1",
        "@Microsoft.KeyVault(SecretUri=x)", "https://vault.example/x", "pass:openai", "cmd:cat key", "<%= ENV['X'] %>", "file:secret",
    ],
)  # fmt: skip
def test_a_stand_in_is_told(text: str) -> None:
    assert reason(text)
    assert text not in reason(text)


@pytest.mark.parametrize("text", ["sk-proj-abc", "gsk_abc$1", "abc%20def", "AIzaSy", "a:b", "eyJhbGciOi.J9.x", "sk-$a"])
def test_a_key_is_none(text: str) -> None:
    assert reason(text) == ""
