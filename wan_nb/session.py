"""A session: one folder bound to one endpoint, and everything that was ever run there.

This module knows all the others and does little itself: it checks and prices a request, has the journal find or make
its run, and hands the work to the engine. What was simulated and what is live never share a folder, and so never
answer for each other.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_nb.client import Client
from wan_nb.clock import Clock
from wan_nb.desk import Desk, only_request
from wan_nb.endpoint import Endpoint
from wan_nb.engine import at_exit
from wan_nb.errors import ConfigError
from wan_nb.follow import Follower
from wan_nb.history import Runs
from wan_nb.pricing import Money
from wan_nb.record import LIFE_S, Record, RunPhase, RunState
from wan_nb.request import VideoRequest
from wan_nb.run import Run
from wan_nb.tasks import Tasks, read_tasks

if TYPE_CHECKING:
    import httpx


class Session(Desk):
    """One folder bound to one endpoint; made by `wan.simulated()`, `wan.live()` or `wan.gateway()`.

    Args:
        endpoint: Where calls go.
        folder: Where journal, videos and frozen inputs are kept.
        clock: How fast service time runs.
        budget: What may be spent a day, such as ``"2.00 USD"``; None for no limit.
        confirm_above: Price from which a run must be confirmed in the call itself; None for never.
        transport: What carries the calls; tests give their own.
        on_close: Called when the session closes (the simulator stops).

    Example:
        >>> import tempfile
        >>> import wan_nb as wan
        >>> from PIL import Image
        >>> with wan.simulated(tempfile.mkdtemp(), speed=6000, scenario="small") as session:
        ...     picture = Image.new("RGB", (400, 300))
        ...     request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
        ...     print(session.preview(request).is_ready)
        ...     runs = session.submit_all([(request, 1), (request, 2)])
        ...     sizes = {str(run.wait().size) for run in runs}
        ...     print(session.submit(request) is runs[0], sizes, len(session.runs(1, before=runs[1].id)))
        True
        True {'176×128'} 1
    """

    def __init__(
        self,
        endpoint: Endpoint,
        folder: Path,
        *,
        clock: Clock | None = None,
        budget: Money | str | None = None,
        confirm_above: Money | str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        on_close: Any = None,
    ) -> None:
        super().__init__(endpoint, folder, clock or Clock(), budget, confirm_above)
        self._on_close = on_close
        self._submitting = threading.Lock()
        self.follower = Follower(
            engine=self.engine,
            client=Client(endpoint, transport=transport),
            ledger=self.ledger,
            clock=self.clock,
            folder=self.folder,
            publish=self._published,
            usual=self.planner.usual,
            arriving=self._arriving,
        )
        self._patrol = self.engine.start(self.follower.patrol())
        at_exit(self.close)

    def __repr__(self) -> str:
        limit = f", budget {self.planner.budget} a day" if self.planner.budget else ""
        return f"Session({self.label}, {self.folder.name}{limit})"

    # --- asking -------------------------------------------------------------------------------------------------

    def submit(
        self, request: VideoRequest, *, take: int = 1, allow: str | tuple[str, ...] = (), confirm: bool = False
    ) -> Run:
        """Submit a request, or give the run that it has already.

        Returns at once; the request is in the journal by then. The same request again is the same run, at no cost.

        Args:
            request: What to make.
            take: 2, 3 … for another sample of the same request.
            allow: Fields whose *wasteful* problems are accepted, or ``"all"``; ``"price"`` accepts an unknown price.
            confirm: Whether a price above the session's `confirm_above` is meant.

        Raises:
            RequestError: If the request must be held back; nothing was sent.
            BudgetError: If the budget does not cover it, or it was not confirmed; nothing was sent.
        """
        return self._submit([(request, take)], allow, confirm)[0]

    def submit_all(
        self,
        orders: Sequence[tuple[VideoRequest, int]],
        *,
        allow: str | tuple[str, ...] = (),
        confirm: bool = False,
    ) -> Runs:
        """Submit several requests, each with its take, all or none: price and budget are asked for the whole.

        Args:
            orders: Requests, with the take of each.
            allow: As for `submit`.
            confirm: As for `submit`, for the whole.

        Raises:
            RequestError: If one of them must be held back; nothing was sent.
            BudgetError: If the budget does not cover all of them, or they were not confirmed; nothing was sent.
        """
        if any(not isinstance(order, tuple | list) or len(order) != 2 for order in orders):
            raise ConfigError("submit_all takes pairs of a request and its take, such as [(request, 1), (other, 1)].")
        return Runs(self._submit(orders, allow, confirm))

    def _submit(
        self,
        orders: Sequence[tuple[VideoRequest, int]],
        allow: str | tuple[str, ...],
        confirm: bool,
        again_of: str = "",
    ) -> list[Run]:
        self._check_open()
        allowed = (allow,) if isinstance(allow, str) else tuple(allow)
        if wrong := set(allowed) - {each.name for each in fields(VideoRequest)} - {"all", "price"}:
            raise ConfigError(f"allow={min(wrong)!r} is no field of a request; name one, or 'all', or 'price'.")
        for request, take in orders:
            only_request(request)
            if not isinstance(take, int) or not 1 <= take <= 10**6:
                raise ConfigError(f"take={take!r} is not a take; it is 1, 2, 3 …")
            request.check(self.place, allow=allowed)
        if not confirm:
            self.planner.check_confirmed(orders)
        plans = [self.planner.plan(request, take, allowed, again_of=again_of) for request, take in orders]
        kept = [self.inputs.keep(request) for request, _ in orders]
        found = self.planner.write_down(plans)
        return [
            self._start(state, existed, request, with_kept)
            for (state, existed), (request, _), with_kept in zip(found, orders, kept, strict=True)
        ]

    def _start(self, state: RunState, existed: bool, request: VideoRequest, kept: VideoRequest) -> Run:
        """Send what is planned; follow what was sent already."""
        run = self._handle(state, existed=existed, request=request)
        if state.phase is not RunPhase.PLANNED:
            self.follow([run])
            return run
        self._watch(run)
        with self._submitting:
            is_first = run.id not in self.follower.busy
            self.follower.busy.add(run.id)  # from this moment on, leaving waits for it
        if is_first:
            self.engine.start(self.follower.send(run.id, kept))
        if not existed:
            self.onlookers.tell(run)
        return run

    # --- coming back --------------------------------------------------------------------------------------------

    def resume(self) -> Runs:
        """Take up every run that is still going: ask about it, fetch its video. Sends nothing that was not sent.

        Returns:
            Those runs, and the ambiguous ones of the last 24 hours: `run.candidates()` looks for what each may be.
        """
        self._check_open()
        since = self.clock.now() - LIFE_S
        unsettled = [s for s in self.ledger.states(since=since) if s.phase is RunPhase.AMBIGUOUS]
        runs = Runs(self._handle(state) for state in [*self.ledger.going(), *unsettled])
        self.follow(run for run in runs if run.state.phase is not RunPhase.AMBIGUOUS)
        return runs

    def follow(self, runs: Iterable[Run]) -> None:
        """Ask about these runs and fetch their videos, as far as they are going on; sends nothing.

        Args:
            runs: Of this session.
        """
        for run in runs:
            self._watch(run)
            self.engine.start(self.follower.take_up(run.state))

    def _watch(self, run: Run) -> None:
        """Forget why nobody asked about it, before anybody waits: run.wait() must not find the old reason."""
        if run.state.unwatched and self.follower.client_for(run.state):
            run._record("watched")

    def adopt(self, task_id: str, *, model: str = "") -> Run:
        """Make a run of a task that was submitted elsewhere (by the vendor's SDK, curl …) and fetch its video.

        Args:
            task_id: The service's id, at most 24 hours old.
            model: Model id, for the file's name and the statistics; the service does not tell it.

        Raises:
            NotFoundError: If the service knows no such task.
        """
        self._check_open()
        if owner := self.ledger.owner_of(task_id):
            return self.run(owner)

        def write(adopted: Record) -> RunState:
            state, _ = self.ledger.plan(self.planner.plan_adopted(task_id, model, adopted))
            return self._handle(state).state

        return self._handle(self.engine.run(self.follower.adopt(self.follower.client, task_id, write)))

    def tasks(self, **filters: str | int) -> Tasks:
        """List the account's tasks of the last 24 hours, also those that were not made here.

        Args:
            filters: ``status``, ``model_name``, ``task_id``, ``start_time`` and ``end_time`` (YYYYMMDDhhmmss); with
                ``page_no`` (and ``page_size``) one page, otherwise all.

        Raises:
            ConfigError: If this endpoint has no list (gateways), or there is no such filter.
        """
        self._check_open()
        return self.engine.run(read_tasks(self.follower.client, self.clock, filters))

    def is_sent_by_nobody(self, state: RunState) -> bool:
        """Whether a run is only planned, and nothing that lives is about to send it.

        Args:
            state: The run's `RunState`, as `run.state`.
        """
        return state.phase is RunPhase.PLANNED and state.run_id not in {*self.follower.busy, *self.follower.others}

    def later(self, function: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a blocking function on a worker thread; returns at once. What a widget callback calls.

        Args:
            function: What may block.
            args: Its arguments.
            kwargs: Its named arguments.

        Raises:
            ConfigError: If the session is closed.
        """
        try:
            return self.engine.workers.submit(function, *args, **kwargs)  # also while it closes: views paint the end
        except RuntimeError:
            self._check_open()  # a press after the end: say why nothing comes of it
            raise

    # --- leaving ------------------------------------------------------------------------------------------------

    def close(self, timeout_s: float = 60.0) -> None:
        """Wait for what is being sent or fetched, then let go of everything. Runs go on at the service.

        Args:
            timeout_s: Real seconds to wait at most; `resume` of a later session fetches what was not.
        """
        if self.is_closed:
            return
        self._is_left = True
        limit = time.monotonic() + timeout_s
        if busy := len(self.follower.busy):
            print(f"wan_nb: waiting for {busy} run(s) being sent or fetched …", file=sys.stderr)  # noqa: T201 - leaving is the one moment with no other way to speak
        while self.follower.busy and time.monotonic() < limit:
            time.sleep(0.05)
        self._patrol.cancel()
        try:
            with contextlib.suppress(TimeoutError, CancelledError):
                self.engine.submit(self.follower.leave()).exception(timeout=15)
        finally:
            self.engine.stop()
            self.ledger.close()
            if self._on_close:
                self._on_close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
