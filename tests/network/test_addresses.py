"""A path below a base URL, once."""

from __future__ import annotations

import pytest

from aikeys.network.addresses import joined
from aikeys.providers.transport import Parcel
from aikeys.providers.wire.values import Outgoing
from aikeys.secret import Secret

AZURE = "https://x.openai.azure.com"


@pytest.mark.parametrize("end", ["", "/openai", "/openai/v1"])
@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/openai/deployments/d/embeddings?api-version=1"])
def test_azures_paths_are_below_its_resource_however_the_base_url_was_given(end: str, path: str) -> None:
    assert joined(AZURE + end, path) == AZURE + path
    parcel = Parcel(Outgoing("POST", path, (), b""), AZURE + end, "api-key", Secret(b"x" * 32))
    assert parcel.url == AZURE + path


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("https://api.groq.com/openai/v1", "/chat/completions"),
        ("https://api.deepinfra.com/v1/openai", "/chat/completions"),
        ("https://api.anthropic.com/v1", "/v1/messages"),
        ("https://proxy.example/my-openai", "/openai/v1/models"),
        ("https://proxy.example/openai/v1x", "/openai/v1/models"),
    ],
)
def test_every_other_path_is_added_as_it_is(base: str, path: str) -> None:
    assert joined(base, path) == base + path
