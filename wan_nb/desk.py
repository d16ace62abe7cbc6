"""A session's folder and what stands in it, and what is done there besides running: looking, comparing, summing up.

Most of that is one call to the room that does the work, loaded when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from wan_nb.calibration import Calibration, calibrate_runs
from wan_nb.clock import Clock
from wan_nb.endpoint import Endpoint
from wan_nb.engine import Engine, Onlookers
from wan_nb.errors import CLOSED, ConfigError
from wan_nb.hints import Hinted
from wan_nb.history import Runs, Spend
from wan_nb.kept import KeptInputs
from wan_nb.ledger import Ledger
from wan_nb.preview import Planner, Preview, midnight
from wan_nb.pricing import Money
from wan_nb.record import RunState
from wan_nb.request import VideoRequest
from wan_nb.run import Run, only_runs
from wan_nb.studies import Studies, StudyBook

if TYPE_CHECKING:
    from wan_nb.compare import Experiment
    from wan_nb.session import Session


class Desk(Hinted):
    """The part of a `Session` that says what it is, looks, compares and sums up; it sends nothing."""

    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("spent", "budget"), "session.spend(), or session.preview(request).left"),
        "cost": "session.spend(), or session.preview(request).estimate",
        **dict.fromkeys(("price", "prices", "estimate"), "session.preview(request).estimate"),
        "videos": "[run.video for run in session.runs()]",
        "page": "session.runs(limit, before=run_id, text=…, starred=…)",
        **dict.fromkeys(("generate", "create", "keep"), "session.submit(request)"),
        **{name: f"run.{name}" for name in ("again", "mark", "cancel", "candidates", "usual")},
        "settle": "run.adopt('task-id') or run.disown()",
        "wait": "wan.gather(runs), or run.wait()",
        "help": "help(session)",
    }

    _is_left = False

    def __init__(
        self,
        endpoint: Endpoint,
        folder: Path,
        clock: Clock,
        budget: Money | str | None,
        confirm_above: Money | str | None,
    ) -> None:
        self.endpoint = endpoint
        """Where calls go."""
        self.place = endpoint.place
        """What this endpoint narrows of the service at large."""
        self.region = endpoint.region
        """``"singapore"`` …; empty for simulator and gateways."""
        self.is_simulated = endpoint.is_simulated
        """Whether nothing costs anything here."""
        self.clock = clock
        """How fast service time runs."""
        limits = [
            None if amount is None or self.is_simulated else Money.of(amount) for amount in (budget, confirm_above)
        ]
        self.folder = folder.expanduser().resolve()
        """Where everything is kept."""
        _prepare(self.folder)
        self.ledger = Ledger(self.folder / "ledger.sqlite")
        """The journal."""
        self.studybook = StudyBook(self.ledger)
        """The journal of comparisons."""
        self.inputs = KeptInputs(self.folder / "inputs")
        """The frozen media of every request."""
        self.planner = Planner(endpoint, self.ledger, clock, *limits)
        """What a request comes to: size, price, time, what is left of the budget."""
        self.onlookers: Onlookers[Run] = Onlookers()
        """Who is told of each run that is new or has changed."""
        self.engine = Engine()
        """The thread that does all that waits."""
        self._runs: dict[str, Run] = {}

    @property
    def label(self) -> str:
        """What a user should always see: where this is, and whether it costs."""
        if self.is_simulated:
            return f"SIMULATED, {self.clock.speed:g}× faster"
        return self.endpoint.name.capitalize()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called, or this is a forked child: threads do not come along, and two must not write."""
        return self._is_left or not self.engine.thread.is_alive()

    def _check_open(self) -> None:
        if self.is_closed:
            raise ConfigError(CLOSED)

    @property
    def _session(self) -> Session:
        return cast("Session", self)  # the one class that is made of this one

    # --- what would come of a request ---------------------------------------------------------------------------------

    def preview(self, request: VideoRequest) -> Preview:
        """Say what would come of a request here; nothing is sent.

        Args:
            request: What would be made.

        Example:
            >>> import wan_nb as wan  # doctest: +SKIP
            >>> wan.simulated().preview(wan.VideoRequest("wan2.2-i2v-flash", first_frame="cat.png"))  # doctest: +SKIP
        """
        self._check_open()
        return self.planner.preview(only_request(request))

    # --- what was run -------------------------------------------------------------------------------------------------

    def runs(self, limit: int | None = 50, *, before: str = "", text: str = "", starred: bool = False) -> Runs:
        """Return what was run in this folder, newest first, after any number of restarts.

        Args:
            limit: How many, at most; None for all.
            before: A run's id: the list begins with the next older one; empty for the newest.
            text: Words that must all be found in id, model, tier, prompt, note or tags; empty for any.
            starred: Whether only those with a star.

        Raises:
            ConfigError: If the limit is no number.
            LedgerError: If no run has the id `before`.
        """
        self._check_open()
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 0):
            raise ConfigError(f"limit={limit!r} is no number of runs; give 0, 1, 2 … or None for all, words as text=….")
        last = before and self.run(before).id  # a wrong id would look like the end of the list
        found = self.ledger.states(limit, before=last, text=str(text), starred=starred)
        return Runs(self._handle(state) for state in found)

    def run(self, run_id: str) -> Run:
        """Return one run by its id.

        Args:
            run_id: As `run.id` shows it.

        Raises:
            LedgerError: If there is no such run.
        """
        if not isinstance(run_id, str):
            raise ConfigError(f"{run_id!r} is no run's id; session.submit(request) runs a request.")
        return self._handle(self.ledger.state(run_id))

    # --- handles, and who looks on ------------------------------------------------------------------------------------

    def _handle(self, state: RunState, *, existed: bool | None = None, request: VideoRequest | None = None) -> Run:
        run = self._runs.get(state.run_id)
        if run is None:
            run = self._runs[state.run_id] = Run(self._session, state, request=request)
        elif run.state != state:
            run._publish()  # another kernel works in this folder, too
        if existed is not None:
            run.existed = existed
        return run

    def _published(self, state: RunState) -> None:
        run = self._runs.get(state.run_id)
        if run is not None and run.state != state:
            run._publish(state)

    def _arriving(self, run_id: str, done: int, total: int) -> None:
        run = self._runs.get(run_id)
        if run is not None:
            run.arrived = (done, total)
            run._publish(run.state)

    def observe(self, callback: Callable[[Run], object]) -> Callable[[], None]:
        """Call back with each run that is new or has changed; returns what ends it. The callback must be quick.

        Args:
            callback: Called with the `Run`, on the engine's thread.

        Example:
            >>> end = session.observe(lambda run: seen.add(run.id))  # doctest: +SKIP
            >>> end()  # doctest: +SKIP
        """
        return self.onlookers.add(callback)

    # --- looking ------------------------------------------------------------------------------------------------

    def form(
        self, start: Run | VideoRequest | None = None, *, pictures: str | Path | None = None, **defaults: Any
    ) -> Any:
        """Return the form: choose, see the price and the size, submit, follow, watch.

        Args:
            start: A run or request to fill it from; nothing is sent.
            pictures: A folder whose pictures are offered to choose from, 24 at most.
            defaults: Fields of a request to start with; they win over `start`.

        Example:
            >>> session.form(first_frame="cat.png", pictures="photos")  # doctest: +SKIP
            >>> session.form(session.runs()[0], seed=2)  # doctest: +SKIP
        """
        from wan_nb.widgets.form import Form

        if start is not None and not isinstance(start, Run | VideoRequest):
            raise ConfigError(f"{start!r:.80} is neither a run nor a request; a picture goes as first_frame='cat.png'.")
        return Form(self._session, start, pictures=pictures, **defaults)

    def board(self, runs: Iterable[Run] | None = None) -> Any:
        """Return a live table of many runs: filter, sort, sum up, call back, look.

        Args:
            runs: Which; None for the newest 200 of this folder and whatever is submitted from now on.

        Example:
            >>> session.board()  # doctest: +SKIP
        """
        from wan_nb.widgets.board import Board

        self._check_open()
        return Board(self._session, None if runs is None else only_runs(runs))

    def history(self) -> Any:
        """Return everything ever run in this folder, page by page with posters: search, star, note, use again.

        Example:
            >>> session.history()  # doctest: +SKIP
        """
        from wan_nb.widgets.board import History

        self._check_open()
        return History(self._session)

    def compare(self, baseline: VideoRequest, *, name: str = "", votes: int | None = None, **axes: Any) -> Experiment:
        """Declare a comparison; `submit()` of what it returns spends. The same definition is the same comparison.

        Args:
            baseline: What all variants have in common.
            name: What to call it; `study` finds it by that.
            votes: Decided votes on each pair, fixed before the first; 20 unless given.
            axes: Fields of a request with a list of values each; a single value is compared with the baseline's own.
                ``seed=[1, 2, 3]`` are the seeds that every variant runs with.

        Raises:
            ConfigError: If there is nothing to compare, or too much.

        Example:
            >>> study = session.compare(request, prompt=["The cat jumps.", "It sleeps."], seed=[1, 2])  # doctest: +SKIP
        """
        from wan_nb.compare import declare
        from wan_nb.variants import Design

        self._check_open()
        return declare(self._session, Design.of(baseline, axes), name=name, votes=votes)

    def compare_from(
        self, card: Mapping[str, Any] | str | Path, *, files: Iterable[str | Path] = (), name: str = ""
    ) -> Experiment:
        """Declare a comparison from a card (`Experiment.to_json`), here or on another machine; nothing is sent.

        Args:
            card: The card, or the path of its file.
            files: Its pictures, sounds and clips, where this folder does not keep them; their bytes decide.
            name: Another name.

        Raises:
            ConfigError: If it is no card, or an input is missing.
        """
        from wan_nb.compare import declare
        from wan_nb.export import read_card

        self._check_open()
        design, own_name, votes = read_card(card, self.inputs.find, files)
        return declare(self._session, design, name=name or own_name, votes=votes)

    def study(self, wanted: str) -> Experiment:
        """Bring a declared comparison back, by its id, or the newest of a name.

        Args:
            wanted: Its id (``x1:…``) or its name.

        Raises:
            LedgerError: If there is none, or an input is no longer kept here.

        Example:
            >>> session.study("cats")  # doctest: +SKIP
        """
        from wan_nb.compare import bring_back

        self._check_open()
        return bring_back(self._session, wanted)

    def studies(self) -> Studies:
        """Return the comparisons that were declared in this folder, newest first."""
        self._check_open()
        return self.studybook.all()

    # --- summing up ---------------------------------------------------------------------------------------------

    def spend(self, days: int = 30) -> Spend:
        """Sum up what the last days' runs cost by list price, by day and model.

        Args:
            days: How many, today among them; midnight is the machine's.

        Example:
            >>> session.spend(days=7)  # doctest: +SKIP
        """
        since = midnight(self.clock.now()) - (days - 1) * 86400
        return Spend.of(self.ledger.states(since=since), is_simulated=self.is_simulated)

    def disk_use(self) -> dict[str, int]:
        """Return how many bytes videos, inputs and the journal take."""
        folders = {part.name: part.rglob("*") for part in self.folder.iterdir() if part.is_dir()}
        parts = folders | {"journal": self.folder.glob("ledger.sqlite*")}
        return {name: sum(each.stat().st_size for each in files if each.is_file()) for name, files in parts.items()}

    def prune(self, *, older_than_days: float, delete: bool = False) -> list[Path]:
        """Return the videos that are older and not starred; with ``delete=True`` remove them (their runs stay listed).

        Args:
            older_than_days: Age from which a video is meant.
            delete: Whether to remove them.

        Example:
            >>> session.prune(older_than_days=30)  # doctest: +SKIP
        """
        until = self.clock.now() - older_than_days * 86400
        old = [state for state in self.ledger.states() if not state.starred and state.created_at < until]
        paths = [path for state in old if state.file and (path := self.folder / state.file.path).is_file()]
        if delete:
            for path in paths:
                path.unlink()
        return paths

    def calibrate(self) -> Calibration:
        """Say which size rule holds for which model and tier, by the files of the runs made here."""
        states = (state for state in self.ledger.states() if state.endpoint == self.endpoint.identity)
        return calibrate_runs(states, self.label, simulated=self.is_simulated)


def only_request(value: object) -> VideoRequest:
    """Return what was given, if it is a request.

    Raises:
        ConfigError: If it is something else.
    """
    if not isinstance(value, VideoRequest):
        raise ConfigError(f"{value!r:.80} is not a request; make one with wan.VideoRequest(model, first_frame=…).")
    return value


def _prepare(folder: Path) -> None:
    """Make the folder, and keep it out of version control."""
    try:
        for each in ("videos", "inputs"):
            (folder / each).mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"folder {str(folder)!r} cannot be used: {error.strerror}; give another folder.") from error
