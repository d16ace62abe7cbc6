"""Submitting a planned run: the one step that costs money, so what may be tried again is decided here and nowhere else.

Another attempt is made only where nothing was taken: nothing was sent, or the service said 429 with a throttling code.
What was sent and not answered is *ambiguous*, and stays so until somebody says what became of it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from wan_nb.client import Body, Client
from wan_nb.clock import Clock
from wan_nb.errors import LedgerError, LostAnswerError, ServerFaultError, ServiceError, ThrottledError, UnsentError
from wan_nb.ledger import Ledger
from wan_nb.record import Record, RunPhase, RunState
from wan_nb.request import VideoRequest
from wan_nb.schedule import PASSING, Pacer, backoff_s

SEND_TRIES = 6
"""How often a submission that was certainly not taken is tried again."""
RECORD_TRIES = 60
"""How often a record is tried to be written while the disk is full or locked."""
RECORD_WAIT_S = 1.0
"""Real seconds between these tries."""

_log = logging.getLogger("wan_nb")

# a quota that is used up is a 429, too, but no waiting mends it
_TOO_FAST = re.compile(r"Throttling(?!\.AllocationQuota)|limit_", re.IGNORECASE)


@dataclass(kw_only=True)
class Sender:
    """Writes down and submits for one session; its coroutines run on the engine."""

    client: Client
    """Calls to the one endpoint."""
    ledger: Ledger
    """The journal."""
    clock: Clock
    """Speed of service time."""
    publish: Callable[[RunState], None]
    """Told what the journal has, on the engine's thread."""
    busy: set[str] = field(default_factory=set)
    """Runs that are being sent or fetched: what leaving waits for."""
    others: set[str] = field(default_factory=set)
    """Runs that another kernel has, and somebody here wants to see."""

    def __post_init__(self) -> None:
        self._pacer = Pacer(self.clock)

    async def record(
        self, run_id: str, kind: str, only: tuple[RunPhase, ...] = (), needs_watch: bool = True, **data: object
    ) -> RunState:
        """Write a record down, off the loop, then tell; a task id is too dear to give up on a full disk at once.

        With `only`, nothing is written where another kernel has brought the run into a phase beside these.
        """
        record = Record(kind, self.clock.now(), data)

        def write() -> RunState:
            if only:
                written = self.ledger.append_if(run_id, only, record, needs_watch=needs_watch)
                return written or self.ledger.state(run_id)
            return self.ledger.append(run_id, record)

        for left in range(RECORD_TRIES - 1, -1, -1):
            try:
                state = await asyncio.to_thread(write)
                break
            except LedgerError as error:
                if not left:
                    raise
                _log.error("run %s, %s %s: %s Trying again.", run_id, kind, data.get("task_id", ""), error)
                await asyncio.sleep(RECORD_WAIT_S)
        self.publish(state)
        return state

    async def claim(self, run_id: str) -> bool:
        """Take the watch over a run; where another kernel has it, see what becomes of it there."""
        is_ours = await asyncio.to_thread(self.ledger.claim, run_id, self.clock.now())
        if is_ours:
            self.others.discard(run_id)
        else:
            self.others.add(run_id)
        return is_ours

    def follow(self, state: RunState) -> None:
        """Ask from now on about a run that the service has taken."""
        raise NotImplementedError

    async def send(self, run_id: str, request: VideoRequest) -> None:
        """Submit a planned run that is marked as busy; whoever else works in the folder does not."""
        try:
            if not await self.claim(run_id):
                return
            for attempt in range(1, SEND_TRIES + 1):
                state = await self._try_send(run_id, request, attempt)
                if state.phase is not RunPhase.PLANNED or run_id in self.others:
                    return
                await self.clock.sleep(backoff_s(attempt))
            await self.record(run_id, "unwatched", reason=f"gave up sending after {SEND_TRIES} tries; nothing was sent")
        except Exception as error:  # a file that is gone, a journal that is locked, an answer that breaks a parser
            _log.exception("run %s could not be sent", run_id)
            why = f"{type(error).__name__}: {error}"
            state = await self.record(run_id, "ambiguous", only=(RunPhase.SENDING,), message=why)
            if state.phase is RunPhase.PLANNED:
                await self.record(run_id, "unwatched", reason=f"it was not sent: {why}")
        finally:
            self.busy.discard(run_id)

    async def _try_send(self, run_id: str, request: VideoRequest, attempt: int) -> RunState:
        """Make one attempt; only if the run is planned as before, nothing was taken and another attempt is safe."""
        try:
            body = Body(request.payload, await self._upload(request))
        except PASSING as error:
            return await self.record(run_id, "unsent", only=(RunPhase.PLANNED,), message=f"upload: {error}")
        except ServiceError as error:
            return await self._reject(run_id, error, only=(RunPhase.PLANNED,))
        now = self.clock.now()
        goes_at = self._pacer.reserve(request.model, request.spec.rate.submits_per_s, now)
        await self.clock.sleeper(goes_at - now)
        gate = Record("sending", self.clock.now(), {"region": self.client.endpoint.region})
        sending = await asyncio.to_thread(self.ledger.append_if, run_id, (RunPhase.PLANNED,), gate)
        if sending is None:  # somebody else has it: see what becomes of it
            self.others.add(run_id)
            return await asyncio.to_thread(self.ledger.state, run_id)
        self.publish(sending)
        return await self._create(run_id, request, body, attempt)

    async def _upload(self, request: VideoRequest) -> dict[str, str]:
        """Put local audio and clips where the service can fetch them; pictures go inside the request."""
        return {
            medium.sha256: await self.client.upload(medium, request.model)
            for medium in request.media.values()
            if medium.kind != "image" and not medium.url
        }

    async def _create(self, run_id: str, request: VideoRequest, body: Body, attempt: int) -> RunState:
        """Make the call that costs money, and record what came of it."""
        try:
            snapshot = await self.client.create(request.spec.path, body)
        except UnsentError as error:
            return await self.record(run_id, "unsent", message=str(error))
        except (LostAnswerError, ServerFaultError) as error:
            request_id = getattr(error, "request_id", "")
            return await self.record(run_id, "ambiguous", message=str(error), request_id=request_id)
        except ServiceError as error:
            if not isinstance(error, ThrottledError) or not _TOO_FAST.match(error.code):
                return await self._reject(run_id, error)
            state = await self.record(run_id, "unsent", message=str(error))
            wait_s = self.clock.real_s(error.retry_after_s or backoff_s(attempt + 1))
            self._pacer.hold(request.model, self.clock.now() + wait_s)
            return state
        task_id, request_id = snapshot.task_id, snapshot.request_id
        if owner := await asyncio.to_thread(self.ledger.owner_of, task_id):
            text = f"the service answered with task {task_id}, which run {owner} has already."
            return await self.record(run_id, "ambiguous", message=text, request_id=request_id)
        status = snapshot.status.value
        state = await self.record(run_id, "submitted", task_id=task_id, request_id=request_id, status=status)
        self.follow(state)
        return state

    async def _reject(self, run_id: str, error: ServiceError, only: tuple[RunPhase, ...] = ()) -> RunState:
        code = error.code or f"HTTP {error.status}"
        return await self.record(run_id, "rejected", only, code=code, message=str(error), request_id=error.request_id)
