"""/healthz, /readyz, /metrics and HEAD /."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from prometheus_client.openmetrics import parser

from aikeys import clock
from aikeys.ledger.calls import Call, Context, Labels
from aikeys.providers.usage import Usage
from tests.gateway.serving import Client, make_office, record, talk_to
from tests.vault.tokens_at_hand import Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return make_office(tmp_path, "openai")


def test_health_and_readiness_need_no_token(office: Office) -> None:
    async def talk(client: Client) -> None:
        for path in ("/healthz", "/readyz"):
            told = await client.get(path)
            assert (told.status, told.json) == (200, {"status": "ok"})
        assert (await client.ask("HEAD", "/")).status == 200

    talk_to(office, talk)


def test_a_gateway_that_stops_is_alive_and_not_ready(office: Office) -> None:
    async def talk(client: Client) -> None:
        client.state.is_stopping = True
        told = await client.get("/readyz")
        assert (told.status, told.json["not_ready"]) == (503, ["stopping"])
        assert (await client.get("/healthz")).status == 200

    talk_to(office, talk)


def test_what_is_not_ready_is_named_and_nothing_else(office: Office) -> None:
    async def talk(client: Client) -> None:
        os.rename(office.home.vault, str(office.home.vault) + ".gone")
        told = await client.get("/readyz")
        assert (told.status, told.json) == (503, {"status": "unavailable", "not_ready": ["vault"]})
        os.rename(str(office.home.vault) + ".gone", office.home.vault)
        assert (await client.get("/readyz")).status == 200
        await asyncio.to_thread(client.state.reserver.close)
        told = await client.get("/readyz")
        assert (told.status, told.json["not_ready"]) == (503, ["ledger"])
        assert str(office.home.directory) not in told.text

    talk_to(office, talk)


def test_metrics_count_answers_and_tell_what_was_spent(office: Office) -> None:
    reader = office.issue("usage:read")
    now_us = clock.now_us()
    context = Context(Labels('sup"port\\'), "", "openai", "openai", "openai/gpt-5", door="gateway")
    record(office, Call(now_us, now_us, context, Usage(7, 0, 0, 0, 3, 0), cost_pusd=25 * 10**10))

    async def talk(client: Client) -> None:
        await client.get("/v1/usage", reader)
        await client.get("/v1/usage")
        told = await client.get("/metrics", reader)
        assert told.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        found = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in parser.text_string_to_metric_families(told.text)
            for sample in family.samples
        }
        worker = ("worker", str(os.getpid()))
        assert found["aikeys_gateway_requests_total", ("status", "2xx"), worker] == 1
        assert found["aikeys_gateway_requests_total", ("status", "4xx"), worker] == 1
        assert found["aikeys_gateway_calls_open", worker] == 0
        assert found["aikeys_gateway_calls_waiting", worker] == 0
        assert found["aikeys_gateway_uptime_seconds", worker] > 0
        labels = (("key", "openai"), ("model", "openai/gpt-5"), ("provider", "openai"), ("team", 'sup"port\\'))
        assert found["aikeys_cost_usd_total", *labels] == 0.25
        assert found["aikeys_requests_total", *labels[:3], ("status", "ok"), labels[3]] == 1
        assert "sk-" not in told.text

    talk_to(office, talk)
