"""What happens on the engine's thread: send, ask, fetch, each step recorded before the next is taken.

One `Follower` serves one session. It owns the client, the schedule and the watch over runs, and tells whoever listens
after the journal knows. Sending, the one step that costs money, is in `wan_nb.send`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from wan_nb.client import Client
from wan_nb.clock import Clock
from wan_nb.engine import Engine
from wan_nb.errors import ConfigError, LedgerError, NotFoundError, ServiceError
from wan_nb.fetch import bring_home
from wan_nb.ledger import Ledger
from wan_nb.record import Record, RunPhase, RunState
from wan_nb.recover import Candidates, find_candidates
from wan_nb.request import VideoRequest
from wan_nb.retry import PASSING, patiently
from wan_nb.schedule import Schedule, Usual
from wan_nb.send import Sender
from wan_nb.task import TaskSnapshot, TaskStatus

TEND_S = 1.0
"""Real seconds between looks at the journal for what other kernels did."""
RENEW_S = 10.0
"""Real seconds between renewals of the watch."""
QUERIES_AT_ONCE = 16
"""Queries in flight together; httpx's pool is slow beyond."""
RECORD_TRIES = 60
"""How often a record is tried to be written while the disk is full or locked."""
RECORD_WAIT_S = 1.0
"""Real seconds between these tries."""
LEAVE_S = 8.0
"""Real seconds that leaving waits for what was begun."""
DOWNLOADS_AT_ONCE = 3
"""Downloads that run together."""
TELL_S = 1.0
"""Real seconds between words on how far a download is."""

_log = logging.getLogger("wan_nb")


@dataclass
class Follower:
    """Sends, asks and fetches for one session; its coroutines run on the engine."""

    engine: Engine
    """The thread and loop."""
    client: Client
    """Calls to the one endpoint."""
    ledger: Ledger
    """The journal."""
    clock: Clock
    """Speed of service time."""
    folder: Path
    """The session's folder; videos go to ``videos/`` in it."""
    publish: Callable[[RunState], None]
    """Told every new state, on the engine's thread."""
    usual: Callable[[RunState], Usual]
    """How long such runs take."""
    arriving: Callable[[str, int, int], None]
    """Told, about once a second, how many bytes of a run's video are here, and of how many."""
    schedule: Schedule = field(init=False)
    """Who is asked about, and when."""
    busy: set[str] = field(default_factory=set)
    """Runs that are being sent or fetched: what leaving waits for."""
    others: dict[str, RunState] = field(default_factory=dict)
    """Runs that another kernel watches, and somebody here wants to see."""

    def __post_init__(self) -> None:
        self.schedule = Schedule(self.clock)
        self._sender = Sender(
            self.client, self.ledger, self.clock, self._record, self.publish, self._follow, self.others
        )
        self._queries = asyncio.Semaphore(QUERIES_AT_ONCE)
        self._downloads = asyncio.Semaphore(DOWNLOADS_AT_ONCE)
        self._wake = asyncio.Event()
        self._renewed = self._tended = 0.0
        self._clients: dict[str, Client] = {}

    # --- the journal --------------------------------------------------------------------------------------------

    async def _record(self, run_id: str, kind: str, only: tuple[RunPhase, ...] = (), **data: object) -> RunState:
        """Write a record down, off the loop, then tell; a task id is too dear to give up on a full disk at once."""
        record = Record(kind, self.clock.now(), data)
        for left in range(RECORD_TRIES - 1, -1, -1):
            try:
                if not only:
                    state = await asyncio.to_thread(self.ledger.append, run_id, record)
                else:
                    appended = await asyncio.to_thread(self.ledger.append_if, run_id, only, record)
                    state = appended or await self._state(run_id)
            except LedgerError as error:
                if not left:
                    raise
                _log.error("run %s, %s %s: %s Trying again.", run_id, kind, data.get("task_id", ""), error)
                await asyncio.sleep(RECORD_WAIT_S)
            else:
                break
        self.publish(state)
        return state

    async def _state(self, run_id: str) -> RunState:
        return await asyncio.to_thread(self.ledger.state, run_id)

    # --- send ---------------------------------------------------------------------------------------------------

    async def send(self, run_id: str, request: VideoRequest) -> None:
        """Submit a planned run that is marked as busy."""
        try:
            await self._sender.send(run_id, request)
        finally:
            self.busy.discard(run_id)

    def client_for(self, state: RunState) -> Client | None:
        """Return the client of the endpoint that a run was sent to; None where this session's key is not good there."""
        ours = self.client.endpoint
        if state.endpoint == ours.identity:
            return self.client
        if ours.is_simulated or state.region != ours.region or not state.endpoint.startswith("http"):
            return None
        if state.endpoint not in self._clients:
            self._clients[state.endpoint] = Client(replace(ours, base_url=state.endpoint))
        return self._clients[state.endpoint]

    def _client(self, state: RunState) -> Client:
        return self.client_for(state) or self.client

    # --- ask ----------------------------------------------------------------------------------------------------

    def _follow(self, state: RunState) -> None:
        self.schedule.add(state.run_id, state.model, state.submitted_at or self.clock.now(), self.usual(state))
        self._wake.set()

    async def take_up(self, state: RunState) -> None:
        """Go on with a run that the journal knows: ask, fetch, or see what became of it."""
        if state.phase is RunPhase.SENDING and state.run_id not in self.busy:
            if not await asyncio.to_thread(self.ledger.is_watched, state.run_id, self.clock.now()):
                await self._record(state.run_id, "ambiguous", message="the process ended while it was being sent")
            else:
                self.others[state.run_id] = state
            return
        if not state.is_live or state.run_id in self.busy or state.run_id in self.schedule.watches:
            return
        if self.client_for(state) is None:
            if not state.unwatched and not await asyncio.to_thread(
                self.ledger.is_watched, state.run_id, self.clock.now()
            ):
                where = state.region or state.endpoint
                await self._record(state.run_id, "unwatched", reason=f"it was sent to {where}; open a session there.")
            return
        if not await asyncio.to_thread(self.ledger.claim, state.run_id, self.clock.now()):
            self.others[state.run_id] = state
            return
        self.others.pop(state.run_id, None)
        if state.run_id in self.busy or state.run_id in self.schedule.watches:
            return  # somebody else took it up while this one asked for the watch
        self._follow(state)  # however old: only the service's own word makes it expired, not a clock

    async def _expire(self, state: RunState) -> None:
        kind = "lost" if state.phase is RunPhase.SUCCEEDED else "expired"
        await self._record(
            state.run_id, kind, message="older than the 24 hours that the service keeps tasks and results"
        )
        self.schedule.drop(state.run_id)

    async def patrol(self) -> None:
        """Ask about whoever is due, for as long as the session lives."""
        while True:
            for run_id in self.schedule.due(self.clock.now()):
                self.engine.spawn(self._look(run_id))
            try:
                await self._tend()
            except Exception:  # a full disk, a locked journal: they pass, and the patrol must not end before
                _log.exception("the journal could not be tended; trying again")
            next_due = self.schedule.next_due()
            until = TEND_S if next_due is None else min(TEND_S, max(0.0, next_due - self.clock.now()))
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), max(until, 0.005))
            except TimeoutError:
                continue

    async def _tend(self) -> None:
        """Keep our watches, and see what other kernels did."""
        now = self.clock.now()
        if (self.schedule.watches or self.busy) and abs(now - self._renewed) >= RENEW_S:
            self._renewed = now
            ours = await asyncio.to_thread(self.ledger.renew, now)
            for run_id in [each for each in self.schedule.watches if each not in ours]:
                self.schedule.drop(run_id)  # the machine slept and another kernel took over
                self.others[run_id] = await self._state(run_id)
        if self.others and abs(now - self._tended) >= TEND_S:
            self._tended = now
            for run_id, seen in list(self.others.items()):
                state = await self._state(run_id)
                if state != seen:
                    self.others[run_id] = state
                    self.publish(state)
                if state.phase.is_terminal:
                    del self.others[run_id]
                elif state.phase in (RunPhase.SUBMITTED, RunPhase.SUCCEEDED, RunPhase.SENDING):
                    await self.take_up(state)

    async def _look(self, run_id: str) -> None:
        """Ask once about a run and note the answer."""
        heard: TaskStatus | None = None
        try:
            state = await self._state(run_id)
            async with self._queries:
                snapshot = await self._client(state).get(state.task_id)
            heard = snapshot.status
            await self._digest(state, snapshot)
        except NotFoundError:
            heard = TaskStatus.UNKNOWN
            await self._unknown(await self._state(run_id))
        except PASSING:
            pass  # asked again, later and later
        except ServiceError as error:
            await self._record(run_id, "unwatched", reason=str(error))
            self.schedule.drop(run_id)
        finally:
            self.schedule.asked(run_id, self.clock.now(), heard)
            self._wake.set()

    async def _digest(self, state: RunState, snapshot: TaskSnapshot) -> None:
        if snapshot.status is TaskStatus.UNKNOWN:
            await self._unknown(state)
            return
        news = snapshot.status is not state.task_status or snapshot.status.is_terminal
        if news and state.phase is not RunPhase.SUCCEEDED:
            seen = snapshot.observation(self._took_s(state, snapshot))
            state = await self._record(state.run_id, "observed", **seen)
        if snapshot.status.is_terminal:
            self.schedule.drop(state.run_id)
        if snapshot.status is TaskStatus.SUCCEEDED and state.run_id not in self.busy:
            self.busy.add(state.run_id)
            self.engine.spawn(self._fetch(state, snapshot))

    async def _unknown(self, state: RunState) -> None:
        """The service knows no such task: too new, elsewhere, or expired; only its age tells."""
        if state.deadline is not None and self.clock.now() > state.deadline:
            await self._expire(state)
        elif state.task_status is not TaskStatus.UNKNOWN:
            await self._record(state.run_id, "observed", status=TaskStatus.UNKNOWN.value)

    def _took_s(self, state: RunState, snapshot: TaskSnapshot) -> float | None:
        """Service seconds from submission to success; a failure says nothing about how long a success takes."""
        if snapshot.status is not TaskStatus.SUCCEEDED:
            return None
        if snapshot.end_time and snapshot.submit_time:
            return (snapshot.end_time - snapshot.submit_time).total_seconds() * self.clock.speed
        return self.clock.service_s(state.submitted_at) if state.submitted_at else None

    # --- fetch --------------------------------------------------------------------------------------------------

    async def _fetch(self, state: RunState, snapshot: TaskSnapshot) -> None:
        try:
            async with self._downloads:
                tell = self._teller(state.run_id)
                client = self._client(state)
                await bring_home(client, self.clock, state, snapshot.video_url, self.folder, self._record, tell)
        finally:
            self.busy.discard(state.run_id)
            await asyncio.to_thread(self.ledger.release, state.run_id)

    def _teller(self, run_id: str) -> Callable[[int, int], None]:
        """Return what a download reports to; most of its reports are not worth a word."""
        told = time.monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal told
            if time.monotonic() - told >= TELL_S:
                told = time.monotonic()
                self.arriving(run_id, done, total)

        return tell

    # --- call back, leave ---------------------------------------------------------------------------------------

    async def cancel(self, run_id: str) -> None:
        """Call a run back: before it is sent at once, then at the service, which refuses once it runs."""
        text = "called back before it was sent"
        record = Record("withdrawn", self.clock.now(), {"message": text})
        withdrawn = await asyncio.to_thread(
            self.ledger.append_if, run_id, (RunPhase.PLANNED,), record, needs_watch=False
        )
        if withdrawn is not None:
            self.publish(withdrawn)
            return
        while (state := await self._state(run_id)).phase is RunPhase.SENDING:  # noqa: ASYNC110 - only the journal knows
            await asyncio.sleep(0.02)
        if state.phase is not RunPhase.SUBMITTED:
            raise ConfigError(f"run {run_id} cannot be called back: it is {state.phase}.")
        client = self._client(state)
        if not client.endpoint.can_cancel:
            raise ConfigError(f"{client.endpoint.name} cannot call a task back; it runs, and is billed if it succeeds.")
        await client.cancel(state.task_id)
        await self._digest(state, await patiently(self.clock, partial(client.get, state.task_id)))

    async def candidates(self, state: RunState) -> Candidates:
        """Look in the service's list for tasks that an ambiguous run may be."""
        known = await asyncio.to_thread(self.ledger.task_ids)
        return await find_candidates(self._client(state), self.clock, state, known)

    async def known_task(self, client: Client, task_id: str) -> TaskSnapshot:
        """Ask for a task that must exist.

        Raises:
            NotFoundError: If the service knows no such task.
        """
        snapshot = await patiently(self.clock, partial(client.get, task_id))
        if snapshot.status is TaskStatus.UNKNOWN:
            raise NotFoundError(
                f"task {task_id} is not known to {client.endpoint.name}: "
                "it expired, or is of another region or account.",
                status=404,
            )
        return snapshot

    async def adopt(self, state: RunState, task_id: str) -> None:
        """Take a task of the service as this run's, and follow it."""
        snapshot = await self.known_task(self._client(state), task_id)
        state = await asyncio.to_thread(self.ledger.settle, state.run_id, self.adoption(snapshot))
        self.publish(state)
        await self.attend(state, snapshot)

    def adoption(self, snapshot: TaskSnapshot) -> Record:
        """Return the record by which a run takes a task that exists."""
        return Record("adopted", self.clock.now(), snapshot.adoption())

    async def attend(self, state: RunState, snapshot: TaskSnapshot) -> None:
        """Follow a task that was just adopted, beginning with what is known of it."""
        if await asyncio.to_thread(self.ledger.claim, state.run_id, self.clock.now()):
            self._follow(state)
            await self._digest(state, snapshot)

    async def leave(self) -> None:
        """Give up the watch and close the connections; the journal has everything."""
        watched = list(self.schedule.watches)
        for run_id in watched:
            self.schedule.drop(run_id)
        await self.engine.settle(LEAVE_S)  # a question on its way may begin a last download
        for run_id in watched:
            await asyncio.to_thread(self.ledger.release, run_id)
        for client in (self.client, *self._clients.values()):
            await client.close()
