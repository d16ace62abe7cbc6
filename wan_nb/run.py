"""A run as users hold it: follow it, wait for it, look at its video.

A `Run` is a handle, not the work: it can be dropped, made again from its id, and shared by several cells. Its state
is what the journal says. Stopping a cell stops waiting, never the run.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from wan_nb.engine import TICK_S, Onlookers
from wan_nb.errors import AmbiguousError, ConfigError, RunError, StillRunningError
from wan_nb.hints import Hinted
from wan_nb.record import Record, RunPhase, RunState
from wan_nb.request import VideoRequest
from wan_nb.result import Video
from wan_nb.schedule import Usual
from wan_nb.telling import PhaseWords, describe, existing, phase_words, tell_terminal, why_no_video

if TYPE_CHECKING:
    from wan_nb.session import Session
    from wan_nb.tasks import Candidates


class Run(Hinted):
    """A handle on one run of a session; `session.submit()` and `session.runs()` give it.

    Example:
        >>> import tempfile
        >>> import wan_nb as wan
        >>> from PIL import Image
        >>> with wan.simulated(tempfile.mkdtemp(), speed=6000, scenario="small") as session:
        ...     picture = Image.new("RGB", (400, 300))
        ...     request = wan.VideoRequest("wan2.2-i2v-flash", first_frame=picture, resolution="480P")
        ...     run, seen = session.submit(request), []
        ...     end = run.observe(lambda state: seen.append(str(state.phase)))
        ...     video = run.wait()
        ...     end()
        ...     again = run.mark(note="calm").again(seed=7)
        ...     print(run.state.note, seen[-1], video.size, again.request.seed, run.elapsed_s > 0, again.wait().size)
        calm saved 176×128 7 True 176×128
    """

    _instead: ClassVar[Mapping[str, str]] = {
        "status": "the run itself on a cell's last line, or run.state.phase",
        "result": "run.wait(), or: await run",
        "path": "run.video.path, once the video is there",
        "play": "run.video on a cell's last line",
        "show": "the run itself on a cell's last line",
        "retry": "run.again()",
        "task_id": "run.state.task_id",
        "seed": "run.request.seed",
        "prompt": "run.request.prompt",
        "error": "run.state.code and run.state.message",
        **dict.fromkeys(("cost", "price"), "run.video.cost, or session.spend() for all"),
    }

    def __init__(self, session: Session, state: RunState, *, request: VideoRequest | None = None) -> None:
        self.session = session
        self._request = request
        self.existed = False
        self.arrived = (0, 0)
        """Bytes of its video that are here, and of how many, while it is fetched; told about once a second."""
        self._state = state
        self._changed = threading.Condition()
        self._onlookers: Onlookers[RunState] = Onlookers()

    # --- what it is ---------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """Short id, unique in the folder."""
        return self._state.run_id

    @property
    def state(self) -> RunState:
        """What the journal knows of it."""
        return self._state

    @property
    def request(self) -> VideoRequest:
        """The request, rebuilt from the journal and the kept files."""
        if self._request is None:
            self._request = VideoRequest.from_record(self._state.request, self.session.inputs.find)
        return self._request

    @property
    def notice(self) -> str:
        """Says that this run existed before it was asked for, and what to do for another; else empty."""
        return existing(self._state) if self.existed else ""

    @property
    def usual(self) -> Usual:
        """How long such runs take."""
        return self.session.planner.usual(self._state)

    @property
    def elapsed_s(self) -> float:
        """Service seconds since submission; once ended, those it took."""
        state = self._state
        if state.took_s is not None:
            return state.took_s
        if state.submitted_at is None:
            return 0.0
        return self.session.clock.service_s(state.submitted_at, state.ended_at)

    @property
    def video(self) -> Video | None:
        """The video, once it is saved."""
        state, saved = self._state, self._state.file
        if saved is None:
            return None
        read = {name: getattr(saved, name) for name in ("size", "duration_s", "fps", "has_audio", "nbytes")}
        path = self.session.folder / saved.path
        return Video(run=self, path=path, actual_prompt=state.actual_prompt, cost=state.cost, **read)

    # --- following ----------------------------------------------------------------------------------------------

    def observe(self, callback: Callable[[RunState], object]) -> Callable[[], None]:
        """Call back after each change, on the engine's thread; returns what ends it. The callback must be quick.

        Args:
            callback: Called with the `RunState`.
        """
        return self._onlookers.add(callback)

    def _publish(self, state: RunState | None = None) -> None:
        """Take a new state from the journal and tell whoever waits or watches.

        Args:
            state: What it is; None to read it, while nobody else can publish, so that nothing newer is overwritten.
        """
        with self._changed:
            self._state = state = state or self.session.ledger.state(self.id)
            self._changed.notify_all()
        self._onlookers.tell(state)
        self.session.onlookers.tell(self)

    def _record(self, kind: str, **data: Any) -> None:
        self.session._check_open()
        self._publish(self.session.ledger.append(self.id, Record(kind, self.session.clock.now(), data)))

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it by itself: it ended, or nobody asks about it or is about to send it."""
        ended = self._state.phase.is_terminal or bool(self._state.unwatched)
        return ended or self.session.is_closed or self.session.is_sent_by_nobody(self._state)

    @property
    def words(self) -> PhaseWords:
        """Its phase for a view, in this session, which may be about to send it."""
        return phase_words(self._state, is_next=not self.session.is_sent_by_nobody(self._state))

    @property
    def standing(self) -> str:
        """Where it stands, in words: ``"running"``, ``"failed (DataInspectionFailed)"``."""
        return describe(self._state, self.words)

    def wait(self, timeout_s: float | None = None) -> Video:
        """Block until the video is saved, and return it.

        Args:
            timeout_s: Real seconds to wait at most; None waits as long as it takes.

        Returns:
            The video; it plays on a cell's last line.

        Raises:
            StillRunningError: If the time is over; the run goes on.
            TaskFailedError: If the service gave up, with advice.
            RunError: If there will be no video for another reason.
        """
        if threading.current_thread() is self.session.engine.thread:
            raise ConfigError("run.wait() was called on the engine's thread (in an observer?): it would wait for ever.")
        limit = None if timeout_s is None else self.session.clock.now() + timeout_s
        try:
            with self._changed:
                while not self.is_over:
                    tell_terminal(f"{self.id}: {self.standing}, {self.elapsed_s:.0f} s")
                    if limit is not None and self.session.clock.now() >= limit:
                        raise self._still_running(f"after {timeout_s:g} s")
                    self._changed.wait(TICK_S)
        except KeyboardInterrupt:
            raise self._still_running("you stopped waiting") from None
        finally:
            tell_terminal("")
        return self._result()

    def __await__(self) -> Generator[Any, None, Video]:
        return self._wait_async().__await__()

    async def _wait_async(self) -> Video:
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()

        def tell(_: object = None) -> None:
            if self.is_over:
                loop.call_soon_threadsafe(lambda: None if over.done() else over.set_result(None))

        end = self.observe(tell)
        try:
            while not over.done():
                tell()  # also where nobody is told any more: the session was closed
                # without a tick, a notebook's stop button is only heard at the end; wait_for would swallow it at times
                await asyncio.wait([over], timeout=TICK_S)
        except (asyncio.CancelledError, KeyboardInterrupt) as stopped:
            stopped.add_note(str(self._still_running("you stopped waiting")))
            raise
        finally:
            end()
        return self._result()

    async def watch(self) -> AsyncIterator[RunState]:
        """Yield the state now and after each change, until the run is over.

        Example:
            >>> async for state in run.watch():  # doctest: +SKIP
            ...     print(state.phase)
        """
        queue: asyncio.Queue[RunState] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        end = self.observe(lambda state: loop.call_soon_threadsafe(queue.put_nowait, state))
        try:
            state = self._state
            yield state
            while not (state.phase.is_terminal or state.unwatched):
                state = await queue.get()
                yield state
        finally:
            end()

    def _still_running(self, why: str) -> StillRunningError:
        return StillRunningError(
            f"run {self.id} goes on ({why}): it is {self.standing}; run.wait() or await run waits again."
        )

    def _result(self) -> Video:
        """Return the video, or raise why there is none."""
        if video := self.video:
            return video
        raise why_no_video(self._state, is_closed=self.session.is_closed)

    # --- acting -------------------------------------------------------------------------------------------------

    def cancel(self) -> RunState:
        """Call a run back, before it is sent or while it is queued; once it runs the service refuses, and bills it.

        Raises:
            ServiceError: If it is not PENDING any more.
            ConfigError: If it is over already, or the endpoint cannot call tasks back.
        """
        self.session.engine.run(self.session.follower.cancel(self.id))
        return self._state

    def again(self, *, allow: str | tuple[str, ...] = (), confirm: bool = False, **changes: Any) -> Run:
        """Make the same request once more (with changes, if any), as a new take that is linked to this one.

        Each call is a new run, and costs: in a cell that may run again, `session.submit(request, take=2)` is safe.

        Args:
            allow: Fields whose *wasteful* problems are accepted, or ``"all"``; ``"price"`` accepts an unknown price.
            confirm: Whether a price above the session's `confirm_above` is meant.
            changes: Fields of the request to change.

        Raises:
            AmbiguousError: If this run may be running and billed.
            RequestError: If a changed request must be held back; nothing was sent.
            BudgetError: If the budget does not cover it, or it was not confirmed; nothing was sent.
        """
        if self._state.phase is RunPhase.AMBIGUOUS:
            raise AmbiguousError(
                f"run {self.id} may be running and billed: run.candidates() looks for it, then run.adopt('task-id') or "
                "run.disown(); after that run.again() is safe."
            )
        request = self.request.replace(**changes)
        take = self.session.ledger.takes(request.fingerprint, self.session.endpoint.identity) + 1
        if not changes:  # what was taken once is taken again
            allow = ("all", allow) if isinstance(allow, str) else ("all", *allow)
        return self.session._submit([(request, take)], allow, confirm, self.id)[0]

    def candidates(self) -> Candidates:
        """Return the service's tasks that this ambiguous run may be; asks the service, decides nothing.

        Raises:
            ConfigError: If the run is not ambiguous, or the endpoint has no task list.
        """
        self._check_ambiguous()
        return self.session.engine.run(self.session.follower.candidates(self._state))

    def adopt(self, task_id: str) -> Run:
        """Take a task of the service as this ambiguous run's, follow it and fetch its video.

        Args:
            task_id: One of `candidates`.

        Raises:
            ConfigError: If the run is not ambiguous.
            NotFoundError: If the service knows no such task.
        """
        self._check_ambiguous()
        write = partial(self.session.ledger.settle, self.id)
        follower = self.session.follower
        self.session.engine.run(follower.adopt(follower.client_of(self._state), task_id, write))
        return self

    def disown(self) -> Run:
        """Say that no task of the service is this ambiguous run's: nothing runs, nothing is billed.

        Raises:
            ConfigError: If the run is not ambiguous.
        """
        self._check_ambiguous()
        text = "you said that no task of the service is this run's"
        record = Record("disowned", self.session.clock.now(), {"message": text})
        self._publish(self.session.ledger.settle(self.id, record))
        return self

    def _check_ambiguous(self) -> None:
        self.session._check_open()
        if self._state.phase is not RunPhase.AMBIGUOUS:
            raise ConfigError(f"run {self.id} is not ambiguous: it is {self.words.word}.")

    def mark(self, *, note: str | None = None, tags: Iterable[str] | None = None, starred: bool | None = None) -> Run:
        """Write a note, tags or a star on the run; what is None stays as it is.

        Args:
            note: A sentence; empty takes it away.
            tags: Words to find it by; an empty list takes them away.
            starred: Whether it has a star: `session.prune` leaves such videos alone.

        Raises:
            ConfigError: If `tags` is one text instead of a list.

        Example:
            >>> run.mark(tags=["lecture 3"], starred=True)  # doctest: +SKIP
        """
        if isinstance(tags, str):
            raise ConfigError(f"tags={tags!r} is one text; give a list, such as ['lecture 3'].")
        marks = {"note": note, "tags": None if tags is None else sorted(tags), "starred": starred}
        self._record("marked", **{name: value for name, value in marks.items() if value is not None})
        return self

    # --- how it is shown ----------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        prompt = str(self._state.request.get("prompt") or "")
        shown = [self._state.model, self.standing]
        shown += [str(self._state.file.size)] if self._state.file else []
        shown += [repr(prompt if len(prompt) <= 40 else prompt[:39] + "…")] if prompt else []
        notice = f"; {self.notice}" if self.notice else ""
        return f"Run({self.id}: {', '.join(shown)}{notice})"

    def _ipython_display_(self) -> None:
        from wan_nb.widgets import run as view

        view.show(self)


def only_runs(given: Any) -> list[Run]:
    """Return the runs that were given, or the one; a ConfigError names what is none."""
    runs = list(given) if isinstance(given, Iterable) else [given]
    if wrong := [each for each in runs if not isinstance(each, Run)]:
        raise ConfigError(f"{wrong[0]!r:.80} is not a run; session.submit(request) gives one.")
    return runs


async def gather(runs: Iterable[Run]) -> list[Video | RunError]:
    """Wait for several runs together; returns each one's video, or the error that says why it has none, in order.

    In a notebook a live table shows how they go.

    Args:
        runs: Of one session or several.

    Example:
        >>> videos = await wan.gather([session.submit(request.replace(seed=s)) for s in (1, 2)])  # doctest: +SKIP
    """

    async def settled(run: Run) -> Video | RunError:
        try:
            return await run
        except RunError as error:
            return error

    runs, settle = only_runs(runs), None
    if len(runs) > 1 and "IPython" in sys.modules:
        from wan_nb.widgets import board

        settle = board.show(runs)
    try:
        return list(await asyncio.gather(*map(settled, runs)))
    finally:
        if settle:
            settle()
