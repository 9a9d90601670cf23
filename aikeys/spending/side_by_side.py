"""Several models asked at once: a strand for each, with a reservation and an entry of its own.

- A strand is a thread that spends; what it has to tell waits in its queue until somebody follows it, so that replies
  come in the asked order, one after the other, and the first of them as it comes.
- Ctrl-C belongs to the main thread, which only follows: strands look at its count. The first lets every reply come to
  its end; the second ends their waits, which is why the bytes move in a thread behind the strand: that one is left
  where it hangs, the strand settles.
- Who follows may go away (a closed pipe): then nobody reads any strand: what is not sent yet is not sent, the
  rest ends as a single call would.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from queue import Empty, SimpleQueue
from typing import NamedTuple

from aikeys.providers.transport import Incoming, Parcel, Timeouts, Transport
from aikeys.providers.wire.values import Event
from aikeys.spending.blocking import CallRequest, Sink, Tools, ask
from aikeys.spending.interruption import Interruption
from aikeys.spending.names import Target
from aikeys.spending.targets import Spent

_LOOK_S = 0.05


class Notice(NamedTuple):
    """A message for the person."""

    text: str


class Over(NamedTuple):
    """A strand's end: what was spent, or what kept it from being sent."""

    spent: Spent | None
    failure: BaseException | None = None


class ModelJob(NamedTuple):
    call_request: CallRequest
    targets: Sequence[Target]


MakeTools = Callable[[Interruption, Callable[[str], None]], AbstractContextManager[Tools]]
"""Make the tools of one strand, in its own thread: its interruption, and where its messages go."""


class Strand:
    """One model being asked."""

    def __init__(self, job: ModelJob, make_tools: MakeTools, interruption: Interruption) -> None:
        self.target = job.targets[0]
        self._job = job
        self._make_tools = make_tools
        self._interruption = Following(interruption)
        self._told: SimpleQueue[Event | Notice | Over] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"aikeys-{self.target}")

    def start(self) -> None:
        self._thread.start()

    def follow(self, sink: Sink, say: Callable[[str], None]) -> Spent | None:
        """Hand on what comes until it is over; None where Ctrl-C came before it was sent, else raises what refused it.

        What the sink raises comes through; call `leave` then.
        """
        while True:
            with self._interruption.leader.watching():
                told = self._told.get()
            match told:
                case Notice():
                    say(told.text)
                case Over(spent, failure):
                    if failure is None or isinstance(failure, KeyboardInterrupt):
                        return spent
                    raise failure
                case _:
                    sink(told)

    def leave(self) -> None:
        """Nobody reads this strand any more: what is not sent yet is not sent."""
        self._interruption.is_left = True

    def join(self) -> None:
        """Return when it is over."""
        self._thread.join()

    def _run(self) -> None:
        job = self._job
        try:
            with self._make_tools(self._interruption, lambda text: self._told.put(Notice(text))) as tools:
                over = Over(ask(tools, job.call_request, job.targets, self._take))
        except BaseException as failure:  # noqa: BLE001  who follows raises it
            over = Over(None, failure)
        self._told.put(over)

    def _take(self, event: Event) -> None:
        if self._interruption.is_left:
            raise BrokenPipeError
        self._told.put(event)


@contextmanager
def side_by_side(jobs: Sequence[ModelJob], make_tools: MakeTools, interruption: Interruption) -> Iterator[list[Strand]]:
    """Start every job; leaving the block waits until all are over."""
    strands = [Strand(job, make_tools, interruption) for job in jobs]
    with interruption.watching():
        begun: list[Strand] = []
        try:
            for strand in strands:
                strand.start()
                begun.append(strand)
            yield strands
        finally:
            for strand in begun:
                strand.leave()
            for strand in begun:
                strand.join()


class Following(Interruption):
    """The interrupts of another thread, as a strand sees them: it is never interrupted, it looks."""

    def __init__(self, leader: Interruption) -> None:
        self.leader = leader
        self.is_left = False
        super().__init__()

    @property
    def count(self) -> int:
        return self.leader.count

    @count.setter
    def count(self, value: int) -> None:
        """Only the leader counts."""

    def check(self) -> None:
        """Raise where nothing more is to be begun."""
        if self.count or self.is_left:
            raise KeyboardInterrupt

    def sleep(self, seconds: float) -> None:
        """Sleep in short pieces; an interrupt of the leader ends it."""
        left_s = seconds
        while left_s > 0:
            self.check()
            self._sleep_s(min(left_s, _LOOK_S))
            left_s -= _LOOK_S
        self.check()


class _Head(NamedTuple):
    status: int
    headers: Mapping[str, str]


class Leavable:
    """A transport whose waits end when the second interrupt came: another thread moves the bytes."""

    def __init__(self, transport: Transport, interruption: Interruption) -> None:
        self._transport = transport
        self._interruption = interruption

    @contextmanager
    def send(self, parcel: Parcel, timeouts: Timeouts) -> Iterator[Incoming]:
        """Send as the transport behind does; raises KeyboardInterrupt too."""
        moved: SimpleQueue[_Head | bytes | BaseException | None] = SimpleQueue()
        is_left = threading.Event()
        threading.Thread(target=self._move, args=(parcel, timeouts, moved, is_left), daemon=True).start()
        try:
            head = self._next(moved)
            if not isinstance(head, _Head):
                raise TypeError(head)
            yield _Relayed(head, lambda: self._next(moved))
        finally:
            is_left.set()

    def _move(
        self,
        parcel: Parcel,
        timeouts: Timeouts,
        moved: SimpleQueue[_Head | bytes | BaseException | None],
        is_left: threading.Event,
    ) -> None:
        try:
            with self._transport.send(parcel, timeouts) as incoming:
                moved.put(_Head(incoming.status, incoming.headers))
                for piece in incoming.pieces():
                    if is_left.is_set():
                        return
                    moved.put(piece)
            moved.put(None)
        except BaseException as failure:  # noqa: BLE001  who waits raises it
            moved.put(failure)

    def _next(self, moved: SimpleQueue[_Head | bytes | BaseException | None]) -> _Head | bytes | None:
        while True:
            if self._interruption.count > 1:
                raise KeyboardInterrupt
            try:
                found = moved.get(timeout=_LOOK_S)
            except Empty:
                continue
            if isinstance(found, BaseException):
                raise found
            return found


class _Relayed:
    """A reply whose bytes another thread moves."""

    def __init__(self, head: _Head, next_piece: Callable[[], _Head | bytes | None]) -> None:
        self.status = head.status
        self.headers = head.headers
        self._next_piece = next_piece

    def pieces(self) -> Iterator[bytes]:
        while isinstance(piece := self._next_piece(), bytes):
            yield piece
