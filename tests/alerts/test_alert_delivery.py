"""Delivery: everything due goes out once, whatever fails, crashes or runs beside it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from aikeys.alerts import delivery, outbox
from aikeys.alerts.channels import CommandChannel, Email, Webhook
from aikeys.alerts.delivery import DeliveryContext, Summary, deliver
from aikeys.alerts.outbox import DELAYS_S, GIVEN_UP, LEASE_S, SENT, WAITING
from aikeys.errors import MachineFailed, NetworkFailed
from aikeys.secret import Secret
from tests.alerts.servers import Book, Web, closed_port, mail_server, web_server
from tests.conftest import ROOT

DELIVER = """
import sys
from aikeys import clock
from aikeys.alerts.delivery import DeliveryContext, deliver
from aikeys.ledger.store import Ledger
shift_us = int(sys.argv[2]) - clock.now_us()
real = clock.now_us
clock.now_us = lambda: real() + shift_us
print("ready", flush=True)
sys.stdin.readline()
summary = deliver(Ledger(sys.argv[1]).open(), DeliveryContext({}, {}), clock.now_us())
print(len(summary.sent), len(summary.failures))
"""


def run(book: Book, secrets: Mapping[str, Secret] | None = None) -> Summary:
    return deliver(book.ledger, DeliveryContext(secrets or {}, os.environ), book.clock.now_us)


def start(book: Book) -> subprocess.Popen[str]:
    """Start a process that delivers at the test's time as soon as it reads a line."""
    folder = os.path.dirname(book.ledger.path)
    process = subprocess.Popen(
        [sys.executable, "-c", DELIVER, folder, str(book.clock.now_us)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_webhook_that_fails_twice_gets_the_alert_once_it_works(book: Book, web: Web) -> None:
    book.add(Webhook(url=web.url + "/hook"))
    book.put()
    web.answers = [503, 500]
    seen = []
    for wait_s in (0, DELAYS_S[0], DELAYS_S[1], 86400):
        book.clock.move(wait_s)
        summary = run(book)
        (row,) = book.rows()
        seen.append((len(summary.sent), len(summary.failures), row.state, row.attempts, row.error.partition(" ")[2]))
    assert seen == [
        (0, 1, WAITING, 1, "answered 503"),
        (0, 1, WAITING, 2, "answered 500"),
        (1, 0, SENT, 3, ""),
        (0, 0, SENT, 3, ""),
    ]
    assert len(web.requests) == 3
    assert len({request.headers["idempotency-key"] for request in web.requests}) == 1
    assert len({request.body for request in web.requests}) == 1
    statuses = [status for _, _, status in book.acts("alert-send")]
    assert statuses == ["alert_not_taken", "alert_not_taken", "ok"]


def test_before_its_time_a_failed_message_is_not_tried_again(book: Book, web: Web) -> None:
    book.add(Webhook(url=web.url))
    book.put()
    web.answers = [500]
    run(book)
    book.clock.move(DELAYS_S[0] - 1)
    assert run(book) == Summary((), (), ())
    assert len(web.requests) == 1


def test_one_failure_does_not_keep_the_others_from_their_alerts(book: Book, web: Web) -> None:
    book.add(Email("ops@example.com", "a@example.com", "127.0.0.1", closed_port(), "plain"), "mail")
    book.add(CommandChannel((sys.executable, "-c", "raise SystemExit(7)")), "program")
    book.add(Webhook(url=web.url), "web")
    book.put("one")
    book.put("two")
    summary = run(book)
    assert summary.sent == ("web", "web")
    assert {(one.channel, one.error.code) for one in summary.failures} == {
        ("mail", "network_failed"), ("program", "alert_not_taken"),
    }  # fmt: skip
    # a channel that is down is asked once in a run; its second message keeps all its tries
    attempts = {(row.channel, row.once): row.attempts for row in book.rows()}
    assert attempts["mail", "one"] == 1
    assert attempts["mail", "two"] == 0
    statuses = {(subject, detail, status) for subject, detail, status in book.acts("alert-send")}
    program = os.path.basename(sys.executable)
    assert ("program", f"kind=budget attempt=1 program={program}", "alert_not_taken") in statuses


def test_a_message_that_is_rejected_does_not_hold_up_the_next(book: Book, web: Web) -> None:
    book.add(Webhook(url=web.url))
    book.put("one")
    book.put("two")
    web.answers = [400]
    summary = run(book)
    assert (len(summary.sent), [one.state for one in summary.failures]) == (1, [WAITING])
    web.answers = [400]
    book.clock.move(86400)
    run(book)
    web.answers = [400]
    book.clock.move(86400)
    run(book)
    assert book.states() == [GIVEN_UP, SENT]


def test_a_channel_without_its_key_waits_and_no_try_is_counted(book: Book, web: Web) -> None:
    book.add(Webhook(url_key="slack", style="json"), "chat")
    book.add(Webhook(url=web.url), "open")
    book.put()
    summary = run(book)
    assert (summary.sent, summary.lacking) == (("open",), ("chat",))
    assert [(row.channel, row.attempts, row.state) for row in book.rows()] == [("chat", 0, WAITING), ("open", 1, SENT)]
    summary = run(book, {"slack": Secret(f"{web.url}/CANARY\n".encode())})
    assert (summary.sent, summary.lacking) == (("chat",), ())
    assert web.requests[-1].path == "/CANARY"
    stored = book.texts() + [row.error for row in book.rows()] + [detail for _, detail, _ in book.acts("alert-send")]
    assert not any("CANARY" in text for text in stored)


def test_mail_goes_out_by_the_same_way(book: Book) -> None:
    with mail_server("plain") as server:
        book.add(Email("ops@example.com", "aikeys@example.com", "127.0.0.1", server.port, "plain"))
        book.put()
        assert run(book).sent == ("ops",)
    (one,) = server.received
    assert one.mail["Message-ID"] == f"<{outbox.message_id(book.rows()[0].once, 'ops')}@example.com>"


def test_two_deliveries_at_once_send_every_message_once(book: Book, web: Web) -> None:
    book.add(Webhook(url=web.url))
    for number in range(40):
        book.put(f"once {number}")
    both = threading.Barrier(2)
    waiting = [both, both]

    def meet() -> None:
        if waiting:  # the first message of each process is answered when both have sent one
            waiting.pop().wait(60)

    web.arrived = meet
    processes = [start(book) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    counts = []
    for process in processes:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        counts.append([int(word) for word in out.split()])
    assert sum(sent for sent, _ in counts) == 40
    assert all(sent for sent, _ in counts)
    assert [failed for _, failed in counts] == [0, 0]
    sent = Counter(request.headers["idempotency-key"] for request in web.requests)
    assert set(sent.values()) == {1}
    assert len(sent) == 40
    assert set(book.states()) == {SENT}


def test_a_delivery_killed_between_sending_and_marking_is_repeated_with_the_same_id(book: Book, web: Web) -> None:
    book.add(Webhook(url=web.url))
    book.put()
    process = start(book)
    web.arrived = lambda: os.kill(process.pid, signal.SIGKILL)
    process.communicate("\n", timeout=60)
    assert process.returncode == -signal.SIGKILL
    web.arrived = lambda: None
    assert book.states() == [WAITING]
    assert run(book).sent == ()  # another may be at it
    book.clock.move(LEASE_S + 60)
    assert run(book).sent == ("ops",)
    first, second = web.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert first.body == second.body


def test_mail_sent_but_not_marked_is_repeated_with_the_same_message_id(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MachineFailed("the disk is full")

    with mail_server("plain") as server:
        book.add(Email("ops@example.com", "aikeys@example.com", "127.0.0.1", server.port, "plain"))
        book.put()
        with monkeypatch.context() as broken:
            broken.setattr(outbox, "mark_sent", fail)
            with pytest.raises(MachineFailed):
                run(book)
        book.clock.move(LEASE_S)
        assert run(book).sent == ("ops",)
    first, second = server.received
    assert first.mail["Message-ID"] == second.mail["Message-ID"]
    assert first.mail["Date"] == second.mail["Date"]


def test_a_server_that_never_answers_costs_one_time_out(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    from aikeys.alerts import webhook

    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.2)
    silent = socket.create_server(("127.0.0.1", 0))
    try:
        book.add(Webhook(url=f"http://127.0.0.1:{silent.getsockname()[1]}/"))
        for number in range(5):
            book.put(f"once {number}")
        (failure,) = run(book).failures
    finally:
        silent.close()
    assert isinstance(failure.error, NetworkFailed)
    assert "did not answer within 0.2 seconds" in failure.error.message


def test_with_nothing_due_nothing_is_written(book: Book, tmp_path: Path) -> None:
    book.add(CommandChannel(("/bin/true",)))
    head = book.ledger.head()
    assert run(book) == Summary((), (), ())
    assert book.ledger.head() == head


def test_the_time_of_an_alert_is_when_it_was_put_out(book: Book) -> None:
    with web_server() as web:
        book.add(Webhook(url=web.url))
        book.put()
        book.clock.move(3600)
        run(book)
    assert web.requests[0].document["at"] == "2026-11-23T12:00:00Z"


def test_a_program_that_hangs_is_cut_and_tried_again(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    book.add(CommandChannel((sys.executable, "-c", "import time; time.sleep(600)"), 1))
    book.put()
    (failure,) = run(book).failures
    assert "took over 1 seconds and was stopped" in failure.error.message
    (row,) = book.rows()
    assert (row.state, row.attempts) == (WAITING, 1)
    assert row.next_us == book.clock.now_us + DELAYS_S[0] * 1_000_000


def test_audit_says_nothing_of_the_message() -> None:
    from aikeys.alerts.channels import Channel

    act = delivery.audit(Channel("ops", ("budget",), CommandChannel(("/home/ana/bin/page-me", "x"))), "budget", 2)
    assert act.detail == "kind=budget attempt=2 program=page-me"
