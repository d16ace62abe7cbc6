"""What happens on the engine's thread: send, ask, fetch, each step recorded before the next is taken.

One `Follower` serves one session. It owns the client, the schedule and the watch over runs, and tells whoever listens
after the journal knows. Sending, the one step that costs money, is in `wan_nb.send`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import math
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from wan_nb.client import Client
from wan_nb.engine import Engine
from wan_nb.errors import ConfigError, DownloadError, LostAnswerError, NotFoundError, ServiceError, VideoError
from wan_nb.record import Record, RunPhase, RunState
from wan_nb.schedule import PASSING, Schedule, Usual, backoff_s, patiently
from wan_nb.send import Sender
from wan_nb.task import TaskSnapshot, TaskStatus
from wan_nb.tasks import Candidates, find_candidates

TEND_S = 1.0
"""Real seconds between looks at the journal for what other kernels did."""
RENEW_S = 10.0
"""Real seconds between renewals of the watch."""
QUERIES_AT_ONCE = 16
"""Queries in flight together; httpx's pool is slow beyond."""
LEAVE_S = 8.0
"""Real seconds that leaving waits for what was begun."""
DOWNLOADS_AT_ONCE = 3
"""Downloads that run together."""
FETCH_TRIES = 12
"""How often a result is fetched in vain (about seven minutes) before that is said; `session.resume()` goes on."""
GONE = (403, 404, 410)
"""Answers that a new address may mend, once: the old one expired, or a firewall says so."""
TELL_S = 1.0
"""Real seconds between words on how far a download is."""

_log = logging.getLogger("wan_nb")


@dataclass(kw_only=True)
class Follower(Sender):
    """Sends, asks and fetches for one session; its coroutines run on the engine."""

    engine: Engine
    """The thread and loop."""
    folder: Path
    """The session's folder; videos go to ``videos/`` in it."""
    usual: Callable[[RunState], Usual]
    """How long such runs take."""
    arriving: Callable[[str, int, int], None]
    """Told, about once a second, how many bytes of a run's video are here, and of how many."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.schedule = Schedule(self.clock)
        self._queries = asyncio.Semaphore(QUERIES_AT_ONCE)
        self._downloads = asyncio.Semaphore(DOWNLOADS_AT_ONCE)
        self._wake = asyncio.Event()
        self._renewed = self._tended = 0.0
        self._clients: dict[str, Client] = {}

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

    def client_of(self, state: RunState) -> Client:
        """Return the client of the endpoint that a run was sent to, or else this session's own."""
        return self.client_for(state) or self.client

    async def _state(self, run_id: str) -> RunState:
        return await asyncio.to_thread(self.ledger.state, run_id)

    # --- ask ----------------------------------------------------------------------------------------------------

    def follow(self, state: RunState) -> None:
        """Ask from now on about a run that the service has taken."""
        self.schedule.add(state.run_id, state.model, state.submitted_at or self.clock.now(), self.usual(state))
        self._wake.set()

    def _is_in_hand(self, run_id: str) -> bool:
        return run_id in self.busy or run_id in self.schedule.watches

    async def take_up(self, state: RunState) -> None:
        """Go on with a run that the journal knows: ask, fetch, or see what became of it."""
        run_id, was_sending = state.run_id, state.phase is RunPhase.SENDING
        if self._is_in_hand(run_id) or not (state.is_live or was_sending):
            return
        if state.is_live and self.client_for(state):
            # another call may take it up while this one asks for the watch
            if await self.claim(run_id) and not self._is_in_hand(run_id):
                self.follow(state)  # however old: only the service's own word makes it expired, not a clock
        elif await asyncio.to_thread(self.ledger.is_watched, run_id, self.clock.now()):
            if was_sending:
                self.others.add(run_id)
        elif was_sending:
            why, gate = "the process ended while it was being sent.", (RunPhase.SENDING,)
            # or it only slept, and has written down by now what came of it
            await self.take_up(await self.record(run_id, "ambiguous", gate, needs_watch=False, message=why))
        elif not state.unwatched:
            where = state.region or state.endpoint
            await self.record(run_id, "unwatched", reason=f"it was sent to {where}; open a session there.")

    async def patrol(self) -> None:
        """Ask about whoever is due, for as long as the session lives."""
        while True:
            for run_id in self.schedule.due(self.clock.now()):
                self.engine.spawn(self._look(run_id))
            try:
                await self._tend()
            except Exception:  # a full disk, a locked journal: they pass, and the patrol must not end before
                _log.exception("the journal could not be tended; trying again")
            wait_s = min(TEND_S, self.schedule.next_due() - self.clock.now())
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(wait_s, 0.005))

    async def _tend(self) -> None:
        """Keep our watches, and see what other kernels did."""
        now = self.clock.now()
        if (self.schedule.watches or self.busy) and abs(now - self._renewed) >= RENEW_S:
            self._renewed = now
            ours = await asyncio.to_thread(self.ledger.renew, now)
            for run_id in self.schedule.watches.keys() - ours:
                self.schedule.drop(run_id)  # the machine slept and another kernel took over
                self.others.add(run_id)
        if self.others and abs(now - self._tended) >= TEND_S:
            self._tended = now
            for run_id in list(self.others):
                is_watched = await asyncio.to_thread(self.ledger.is_watched, run_id, now)
                state = await self._state(run_id)
                # what a kernel planned that ended before it sent: only a new submit() sends it
                if state.phase.is_terminal or (state.phase is RunPhase.PLANNED and not is_watched):
                    self.others.discard(run_id)
                self.publish(state)
                await self.take_up(state)

    async def _look(self, run_id: str) -> None:
        """Ask once about a run and note the answer."""
        heard: TaskStatus | None = None
        try:
            state = await self._state(run_id)
            async with self._queries:
                snapshot = await self.client_of(state).get(state.task_id)
            heard = snapshot.status
            await self._digest(state, snapshot)
        except NotFoundError:
            heard = TaskStatus.UNKNOWN
            await self._unknown(await self._state(run_id))
        except PASSING:
            pass  # asked again, later and later
        except ServiceError as error:
            await self.record(run_id, "unwatched", reason=str(error))
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
            state = await self.record(state.run_id, "observed", **seen)
        if snapshot.status.is_terminal:
            self.schedule.drop(state.run_id)
        if snapshot.status is TaskStatus.SUCCEEDED and state.run_id not in self.busy:
            self.busy.add(state.run_id)
            self.engine.spawn(self._fetch(state, snapshot.video_url))

    async def _unknown(self, state: RunState) -> None:
        """The service knows no such task: too new, elsewhere, or expired; only its age tells."""
        if state.deadline is not None and self.clock.now() > state.deadline:
            kind = "lost" if state.phase is RunPhase.SUCCEEDED else "expired"
            text = "older than the 24 hours that the service keeps tasks and results"
            await self.record(state.run_id, kind, message=text)
            self.schedule.drop(state.run_id)
        elif state.task_status is not TaskStatus.UNKNOWN:
            await self.record(state.run_id, "observed", status=TaskStatus.UNKNOWN.value)

    def _took_s(self, state: RunState, snapshot: TaskSnapshot) -> float | None:
        """Service seconds from submission to success; a failure says nothing about how long a success takes."""
        if snapshot.status is not TaskStatus.SUCCEEDED:
            return None
        if snapshot.end_time and snapshot.submit_time:
            return (snapshot.end_time - snapshot.submit_time).total_seconds() * self.clock.speed
        return self.clock.service_s(state.submitted_at) if state.submitted_at else None

    # --- fetch --------------------------------------------------------------------------------------------------

    async def _fetch(self, state: RunState, url: str) -> None:
        try:
            async with self._downloads:
                await self.bring_home(state, url)
        finally:
            self.busy.discard(state.run_id)
            await asyncio.to_thread(self.ledger.release, state.run_id)

    async def bring_home(self, state: RunState, url: str) -> None:
        """Fetch a finished run's video into ``videos/`` and record how that ended.

        A download goes on where it broke off; what is there is never thrown away while the service still has the rest.
        While the service keeps the result, a failure is told and can be taken up again; only after that it is lost.
        """
        client, deadline = self.client_of(state), state.deadline or math.inf
        target = self.folder / "videos" / file_name(state)
        part = target.with_name(target.name + ".part")
        tell = self._teller(state.run_id)
        for attempt in range(1, FETCH_TRIES + 1):
            try:
                await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
                await client.download(url, part, tell)
                saved = await asyncio.to_thread(_settle, part, target, self.folder)
                await self.record(state.run_id, "saved", **saved)
                return
            except VideoError as error:
                reason = str(error)
                await asyncio.to_thread(part.unlink, missing_ok=True)
            except LostAnswerError as error:
                reason = str(error)
            except DownloadError as error:
                reason = str(error)
                if error.status in GONE and attempt > 1:
                    break
            except OSError as error:  # a full disk: what is there stays
                reason = f"cannot save to {target.parent}: {error}"
                break
            if self.clock.now() > deadline:
                break
            await self.clock.sleep(backoff_s(attempt))
            with contextlib.suppress(ServiceError, *PASSING):
                url = (await client.get(state.task_id)).video_url or url  # newly signed
        if self.clock.now() > deadline:
            await self.record(state.run_id, "lost", message=reason)
        else:
            await self.record(state.run_id, "unwatched", reason=reason)

    def _teller(self, run_id: str) -> Callable[[int, int], None]:
        """Return what a download reports to; most of its reports are not worth a word."""
        told = time.monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal told
            if time.monotonic() - told >= TELL_S:
                told = time.monotonic()
                self.arriving(run_id, done, total)

        return tell

    # --- call back, adopt, leave --------------------------------------------------------------------------------

    async def cancel(self, run_id: str) -> None:
        """Call a run back: before it is sent at once, then at the service, which refuses once it runs."""
        record = Record("withdrawn", self.clock.now(), {"message": "called back before it was sent"})
        planned = (RunPhase.PLANNED,)
        withdrawn = await asyncio.to_thread(self.ledger.append_if, run_id, planned, record, needs_watch=False)
        if withdrawn is not None:
            self.publish(withdrawn)
            return
        while (state := await self._state(run_id)).phase is RunPhase.SENDING:  # noqa: ASYNC110 - only the journal knows
            await asyncio.sleep(0.02)
        if state.phase is not RunPhase.SUBMITTED:
            raise ConfigError(f"run {run_id} cannot be called back: it is {state.phase}.")
        client = self.client_of(state)
        if not client.endpoint.can_cancel:
            raise ConfigError(f"{client.endpoint.name} cannot call a task back; it runs, and is billed if it succeeds.")
        await client.cancel(state.task_id)
        await self._digest(state, await patiently(self.clock, partial(client.get, state.task_id)))

    async def candidates(self, state: RunState) -> Candidates:
        """Look in the service's list for tasks that an ambiguous run may be."""
        known = await asyncio.to_thread(self.ledger.task_ids)
        return await find_candidates(self.client_of(state), self.clock, state, known)

    async def adopt(self, client: Client, task_id: str, write: Callable[[Record], RunState]) -> RunState:
        """Take a task of the service as a run's, and follow it; `write` records that and returns the run's state.

        Raises:
            ConfigError: If it is no task's id.
            NotFoundError: If the service knows no such task.
        """
        if not isinstance(task_id, str) or not task_id.strip():
            raise ConfigError(f"task_id={task_id!r} is no task's id; session.tasks() lists those of the last 24 hours.")
        snapshot = await patiently(self.clock, partial(client.get, task_id))
        if snapshot.status is TaskStatus.UNKNOWN:
            raise NotFoundError(
                f"task {task_id} is not known to {client.endpoint.name}: "
                "it expired, or is of another region or account.",
                status=404,
            )
        state = await asyncio.to_thread(write, Record("adopted", self.clock.now(), snapshot.adoption()))
        self.publish(state)
        if await self.claim(state.run_id):
            self.follow(state)
            await self._digest(state, snapshot)
        return state

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


def file_name(state: RunState) -> str:
    """Return a file name that people can read: date, model, first words of the prompt, run id.

    Example:
        >>> file_name(RunState("r1f", "v1:0", "simulator", 1, "wan2.7-i2v", "720P", 5, 0.0, {"prompt": "A cat, up!"}))
        '19700101-000000_wan2.7-i2v_a-cat-up_r1f.mp4'
    """
    when = datetime.fromtimestamp(state.created_at, UTC).strftime("%Y%m%d-%H%M%S")
    words = re.findall(r"\w+", str(state.request.get("prompt") or "").lower())[:5]
    slug = "-".join(words)[:40].strip("-")
    parts = [when, re.sub(r"[^\w.-]", "-", state.model)[:60], slug, state.run_id]
    return "_".join(part for part in parts if part) + ".mp4"


def _settle(part: Path, target: Path, folder: Path) -> dict[str, Any]:
    """Check a download as a whole MP4, put it under its name for good, and return what is recorded of it."""
    from wan_nb import video  # heavy, and only needed once there is a video

    info = video.probe(part)
    with part.open("rb+") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    part.replace(target)
    if os.name == "posix":  # the name, too, must survive a power cut
        place = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(place)
        finally:
            os.close(place)
    return {
        "path": target.relative_to(folder).as_posix(),
        "sha256": sha256,
        "nbytes": info.nbytes,
        "size": info.size.wire,
        "fps": float(info.fps),
        "duration_s": round(info.duration_s, 3),
        "has_audio": info.has_audio,
    }
