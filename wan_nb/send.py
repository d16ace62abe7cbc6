"""Submitting a planned run: the one step that costs money, so what may be tried again is decided here and nowhere else.

Another attempt is made only where nothing was taken: nothing was sent, or the service said 429 with a throttling code.
What was sent and not answered is *ambiguous*, and stays so until somebody says what became of it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from wan_nb.body import Body
from wan_nb.client import Client
from wan_nb.clock import Clock
from wan_nb.errors import LostAnswerError, ServerFaultError, ServiceError, ThrottledError, UnsentError
from wan_nb.ledger import Ledger
from wan_nb.record import Record, RunPhase, RunState
from wan_nb.request import VideoRequest
from wan_nb.retry import PASSING, backoff_s
from wan_nb.schedule import Pacer

SEND_TRIES = 6
"""How often a submission that was certainly not taken is tried again."""

_log = logging.getLogger("wan_nb")

_THROTTLED = re.compile(r"^(Throttling|limit_)", re.IGNORECASE)
_QUOTA = ("Throttling.AllocationQuota", "insufficient_quota")


@dataclass
class Sender:
    """Submits for one session; its coroutines run on the engine."""

    client: Client
    """Calls to the one endpoint."""
    ledger: Ledger
    """The journal."""
    clock: Clock
    """Speed of service time."""
    record: Callable[..., Awaitable[RunState]]
    """Writes a record of a run down, then tells."""
    publish: Callable[[RunState], None]
    """Told a state that the journal has."""
    follow: Callable[[RunState], None]
    """Takes over a run that the service has taken."""
    others: dict[str, RunState]
    """Runs that another kernel has, and somebody here wants to see."""
    pacer: Pacer = field(init=False)
    """When submissions may go."""

    def __post_init__(self) -> None:
        self.pacer = Pacer(self.clock)

    async def send(self, run_id: str, request: VideoRequest) -> None:
        """Submit a planned run; whoever else works in the folder does not."""
        try:
            if not await asyncio.to_thread(self.ledger.claim, run_id, self.clock.now()):
                self.others[run_id] = await asyncio.to_thread(self.ledger.state, run_id)
                return
            for attempt in range(1, SEND_TRIES + 1):
                if await self._try_send(run_id, request, attempt):
                    return
            await self.record(run_id, "unwatched", reason=f"gave up sending after {SEND_TRIES} tries; nothing was sent")
        except Exception as error:  # a file that is gone, a journal that is locked, an answer that breaks a parser
            _log.exception("run %s could not be sent", run_id)
            why = f"{type(error).__name__}: {error}"
            state = await self.record(run_id, "ambiguous", only=(RunPhase.SENDING,), message=why)
            if state.phase is RunPhase.PLANNED:
                await self.record(run_id, "unwatched", reason=f"it was not sent: {why}")

    async def _try_send(self, run_id: str, request: VideoRequest, attempt: int) -> bool:
        """Make one attempt; False means that nothing was taken and another attempt is safe."""
        rate = request.spec.rate.submits_per_s
        try:
            addresses = await self._upload(request)
            body = Body(request.payload, addresses)
        except PASSING as error:
            await self.record(run_id, "unsent", only=(RunPhase.PLANNED,), message=f"upload: {error}")
            await self.clock.sleep(backoff_s(attempt))
            return False
        except ServiceError as error:
            await self._reject(run_id, error, only=(RunPhase.PLANNED,))
            return True
        await self.clock.sleep(
            self.clock.service_s(self.clock.now(), self.pacer.reserve(request.model, rate, self.clock.now()))
        )
        gate = Record("sending", self.clock.now(), {"region": self.client.endpoint.region})
        sending = await asyncio.to_thread(self.ledger.append_if, run_id, (RunPhase.PLANNED,), gate)
        if sending is None:
            self.others[run_id] = await asyncio.to_thread(
                self.ledger.state, run_id
            )  # somebody else has it: see what becomes of it
            self.publish(self.others[run_id])
            return True
        self.publish(sending)
        try:
            snapshot = await self.client.create(request.spec.path, body)
        except UnsentError as error:
            await self.record(run_id, "unsent", message=str(error))
            await self.clock.sleep(backoff_s(attempt))
            return False
        except ThrottledError as error:
            if not _THROTTLED.match(error.code) or error.code in _QUOTA:
                await self._reject(run_id, error)
                return True
            await self.record(run_id, "unsent", message=str(error))
            wait = error.retry_after_s or backoff_s(attempt + 1)
            self.pacer.hold(request.model, self.clock.now() + self.clock.real_s(wait))
            return False
        except (LostAnswerError, ServerFaultError) as error:
            await self.record(run_id, "ambiguous", message=str(error), request_id=getattr(error, "request_id", ""))
            return True
        except ServiceError as error:
            await self._reject(run_id, error)
            return True
        owner = await asyncio.to_thread(self.ledger.owner_of, snapshot.task_id)
        if owner:
            text = f"the service answered with task {snapshot.task_id}, which run {owner} has already."
            await self.record(run_id, "ambiguous", message=text, request_id=snapshot.request_id)
            return True
        state = await self.record(
            run_id, "submitted", task_id=snapshot.task_id, request_id=snapshot.request_id, status=snapshot.status.value
        )
        self.follow(state)
        return True

    async def _upload(self, request: VideoRequest) -> dict[str, str]:
        """Put local audio and clips where the service can fetch them; pictures go inside the request."""
        return {
            medium.sha256: await self.client.upload(medium, request.model)
            for medium in request.media.values()
            if medium.kind != "image" and medium.origin not in ("url", "oss")
        }

    async def _reject(self, run_id: str, error: ServiceError, only: tuple[RunPhase, ...] = ()) -> None:
        await self.record(
            run_id,
            "rejected",
            only=only,
            code=error.code or f"HTTP {error.status}",
            message=str(error),
            request_id=error.request_id,
        )
