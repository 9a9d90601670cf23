"""Frames of a stream are the same whatever the chunks were."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aikeys.providers.wire import sse
from aikeys.providers.wire.sse import Frame, ServerSentEvents
from aikeys.providers.wire.values import Unreadable


def frames(cutter: ServerSentEvents, *chunks: bytes) -> list[Frame]:
    found = []
    for chunk in chunks:
        cutter.feed(chunk)
        while (frame := cutter.next()) is not None:
            found.append(frame)
    last = cutter.rest()
    return [*found, last] if last is not None else found


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", [(b"", b"a"), (b"", b"b")]),
        (b"data:a\r\n\r\ndata:  b\r\n\r\n", [(b"", b"a"), (b"", b" b")]),
        (b"data: a\r\rdata: b\r\r", [(b"", b"a"), (b"", b"b")]),
        (b"data: a\ndata: b\n\n", [(b"", b"a\nb")]),
        (b"data: a\r\ndata: b\r\n\r\n", [(b"", b"a\nb")]),
        (b"data: a\rdata: b\r\r", [(b"", b"a\nb")]),
        (b": comment\n\ndata: a\n\n", [(b"", b"a")]),
        (b": comment\ndata: a\nid: 7\nretry: 3\n\n", [(b"", b"a")]),
        (b"event: ping\ndata: {}\n\n", [(b"ping", b"{}")]),
        (b"event: ping\n\ndata: x\n\n", [(b"", b"x")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
        (b"\n\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [(b"", b"a"), (b"", b"b")]),
        (b"data\n\n", [(b"", b"")]),
        (b"data: no blank line at the end", [(b"", b"no blank line at the end")]),
        (b"database: x\n\n", []),
        (b"", []),
    ],
)
def test_frames_are_cut_as_the_standard_says(stream: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert frames(ServerSentEvents(), stream) == expected
    assert frames(ServerSentEvents(), *(stream[i : i + 1] for i in range(len(stream)))) == expected


@given(
    st.lists(
        st.sampled_from([b"data: ", b"data:", b"event: x", b"a", b"\n", b"\r", b"\r\n", b": c", b"\n\n", b"\xff"])
    ),
    st.lists(st.integers(0, 80)),
)
@example([b"data: a", b"\r", b"\n", b"\r", b"\n"], [8, 9, 10])
def test_any_split_of_the_bytes_gives_the_same_frames(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(edges)]
    assert frames(ServerSentEvents(), *chunks) == frames(ServerSentEvents(), stream)


@pytest.mark.parametrize("end", [b"", b"\n\n"])
def test_a_frame_without_end_is_refused_before_it_fills_the_memory(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LARGEST_FRAME", 1000)
    made = ServerSentEvents()
    made.feed(b"data: " + b"x" * 1000 + end)
    with pytest.raises(Unreadable, match="larger"):
        made.next()
