"""A study live: its cells with a Submit button, its videos in step, and blind judging of two at a time.

Votes and ratings go to the journal through the experiment, never only into a widget. While a judge is at it, nothing
on the page tells which video is whose, or how the others voted.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as W  # noqa: N812
from IPython import display as screen
from IPython.core.getipython import get_ipython

from wan_nb.widgets import page
from wan_nb.widgets import video as video_view
from wan_nb.widgets.parts import Paced, box, escape, fault_html, guarded, jpeg_address, note_html
from wan_nb.widgets.parts import show as show_part

if TYPE_CHECKING:
    from wan_nb.cells import Cell, StudyEstimate
    from wan_nb.compare import Experiment
    from wan_nb.votes import Ballot, Key

STATE_BYTES = 54_000
"""The longest tally in widget state, and all pictures of a player together: no trait passes 64 KB."""

KEYS = {"a": "left", "s": "tie", "d": "right", "n": "skip", "u": "undo"}
"""Keys of a judge, and the buttons that they press."""

_BUTTONS = {
    "left": "Left is better (A)",
    "tie": "Equal (S)",
    "right": "Right is better (D)",
    "skip": "Later (N)",
    "undo": "Undo (U)",
}


class _View(W.VBox):  # type: ignore[misc]
    """A view with a study's videos in step, which hears of its runs and votes until it is closed.

    Args:
        experiment: The study.
        name: Of its class on the page.
        height: Pixels of the tallest box.
        keys: Keys of the view, as `video.Player` takes them.
    """

    def __init__(self, experiment: Experiment, name: str, *, height: int, **keys: Any) -> None:
        super().__init__()
        for each in ("wan", "wan-form", name):
            self.add_class(each)
        self.experiment = experiment
        self._lock = threading.RLock()
        self._shown: Sequence[Cell] = ()
        self._trouble = W.HTML()
        self._player = video_view.Player([], self._bytes, experiment.session.later, height=height, **keys)

    def _begin(self, children: Sequence[W.Widget], paint: Callable[[], None]) -> None:
        """Paint now, and at each change of a run and each judgement, whoever caused it."""
        session, guarded_paint = self.experiment.session, guarded(paint, self.fault)
        self.children = children
        soon = Paced(session, guarded_paint)
        self._ends = session.observe(lambda _: soon()), session.studybook.onlookers.add(lambda _: soon())
        guarded_paint()

    def _later(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Hand over to a worker: no click waits for the journal."""
        guarded(self.experiment.session.later, self.fault)(guarded(function, self.fault), *arguments)

    def _bytes(self, index: int) -> bytes:
        made = self._shown[index].video
        return made.path.read_bytes() if made else b""

    def fault(self, error: BaseException) -> None:
        """Show an exception, until the user does something else."""
        self._trouble.value = fault_html(error)

    def close(self) -> None:
        """Stop following and remove all of it."""
        for end in self._ends:
            end()
        super().close()


class StudyView(_View):
    """A live study: states, price and Submit, and all variants of one seed in step.

    Args:
        experiment: The study.
        settled: Called when the last run that was under way is over.
    """

    def __init__(self, experiment: Experiment, *, settled: Callable[[], Any] = lambda: None) -> None:
        super().__init__(experiment, "wan-study", height=320)
        self._settled = settled
        self._is_going = False
        self._asked = ""  # the price that is to be confirmed
        self._said = len(experiment.judgements)
        self._head, self._table, self._votes, self._price = (W.HTML() for _ in range(4))
        self._submit = W.Button(description="Submit", button_style="primary")
        self._submit.add_class("wan-submit")
        self._yes, self._no = W.Button(button_style="warning"), W.Button(description="Do not")
        self._seed = W.ToggleButtons(options=[(f"seed {seed}", seed) for seed in experiment.seeds])
        show_part(self._seed, len(experiment.seeds) > 1)
        self._submit.on_click(lambda _: self._later(self._pressed))
        self._yes.on_click(lambda _: self._later(self._confirmed))
        self._no.on_click(lambda _: self._later(self._ask, ""))
        self._seed.observe(lambda _: self._later(self.refresh), names="value")
        send = box(W.HBox, [self._submit, self._yes, self._no, self._price], "wan-send")
        parts = (self._head, self._table, send, self._trouble, self._seed, self._player, self._votes)
        self._begin(parts, self.refresh)

    def __repr__(self) -> str:
        return repr(self.experiment)

    def refresh(self) -> None:
        """Paint what the journal says now."""
        with self._lock:
            study = self.experiment
            cells = study.cells
            self._head.value = page.head_html(study)
            self._table.value = page.states_html(study, cells)
            self._say_price(study.estimate)
            self._shown = [cell for cell in cells if cell.seed == self._seed.value]
            self._player.clips = [page.clip_of(cell, poster=self._poster(cell)) for cell in self._shown]
            self._votes.value = self._votes_html()
            is_going = any(cell.run and not cell.run.state.phase.is_terminal for cell in cells)
            was_going, self._is_going = self._is_going, is_going
        if was_going and not is_going:
            self._settled()

    def _poster(self, cell: Cell) -> str:
        """Return the first frame as it was asked, while there is no video."""
        medium = cell.request.first_frame
        if cell.video or medium is None or medium.url:
            return ""
        return jpeg_address(medium.thumbnail, longest=320, limit=STATE_BYTES // len(self.experiment.variants))

    def _votes_html(self) -> str:
        """Return the tally; of votes that came since, how many: who is ahead would sway a judge on the same page."""
        said = len(self.experiment.judgements)
        if said and said == self._said:
            return tally_html(self.experiment)
        if said:
            return note_html(f"Judgements so far: {said}. <code>study.tally()</code> counts them, once nobody judges.")
        return note_html(
            'No votes yet: <code>study.judge("your name")</code> shows two at a time, names hidden; '
            f"{self.experiment.votes_planned} votes on each pair are planned."
        )

    def _say_price(self, estimate: StudyEstimate) -> None:
        self._price.value = f'<span class="wan-note">{escape(str(estimate))}</span>'
        self._submit.disabled = not estimate.missing or bool(self._asked)
        self._yes.description = f"Yes, spend {self._asked}"
        for button in (self._yes, self._no):
            show_part(button, bool(self._asked))
        runs = f"{estimate.missing} run{'' if estimate.missing == 1 else 's'}"
        price = "simulated, free" if estimate.is_simulated else _price(estimate)
        self._submit.description = f"Submit {runs} — {price}" if estimate.missing else "All submitted"

    def _ask(self, price: str) -> None:
        self._asked = price
        self.refresh()

    def _pressed(self) -> None:
        """Send what is missing; what costs is asked for by another button, so that a double click spends nothing."""
        self._trouble.value = ""
        if self.experiment.session.is_simulated:
            self._submit_all()
        else:
            self._ask(_price(self.experiment.estimate))

    def _confirmed(self) -> None:
        price = _price(self.experiment.estimate)
        if self._asked == price:
            self._submit_all()
        elif self._asked:  # else it is the second of two clicks
            self._ask(price)  # it has changed meanwhile: that is for the user to see first

    def _submit_all(self) -> None:
        self._asked = ""
        self._submit.disabled = True
        try:
            self.experiment.submit(confirm=True)
        finally:
            self.refresh()


def _price(estimate: StudyEstimate) -> str:
    return f"about {estimate.money}" if estimate.money else "an unknown price"


class JudgeView(_View):
    """Blind votes: two videos of one seed, sides drawn at random, names hidden.

    Args:
        experiment: The study.
        judge: Who judges; can be changed in the view.
    """

    def __init__(self, experiment: Experiment, judge: str = "") -> None:
        super().__init__(experiment, "wan-judge", height=400, hotkeys=KEYS, press=self._press)
        self.add_class("wan-keys")
        self._ballot: Ballot | None = None
        self._skipped: Counter[frozenset[Key]] = Counter()
        self._judge = W.Text(value=judge, description="Judge", placeholder="your name", continuous_update=False)
        self._note = W.Text(description="Note", placeholder="why? It goes with the vote.", layout={"width": "auto"})
        self._progress, self._end = W.HTML(), W.HTML()
        self._buttons = {name: W.Button(description=text) for name, text in _BUTTONS.items()}
        for name, button in self._buttons.items():
            button.add_class(f"wan-vote-{name}")
            button.on_click(lambda _, name=name: self._press(name))
        self._stars = {side: self._rating(side) for side in ("left", "right")}
        self._judge.observe(lambda _: self._later(self._next), names="value")
        head = box(W.HBox, [self._judge, self._progress], "wan-send")
        votes = box(W.HBox, list(self._buttons.values()), "wan-votes")
        self._rated = box(W.HBox, list(self._stars.values()), "wan-stars")
        parts = (head, self._player, votes, self._rated, self._note, self._trouble, self._end)
        self._begin(parts, self._look_again)

    def __repr__(self) -> str:
        # not how others voted: this is what stays in a notebook that judges share
        by = f" by {self._judge.value}" if self._judge.value else ""
        return f"Judging{by}: {self.experiment.name or self.experiment.id}"

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        """Add what stays where no kernel is."""
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        return bundle | {"text/html": "<p><i>A judge sat here; run the cell to go on. The votes are kept.</i></p>"}

    def _rating(self, side: str) -> Any:
        made = W.ToggleButtons(
            options=[(f"{n}★", n) for n in range(1, 6)],
            value=None,
            description=side.title(),
            tooltips=[f"{side.title()} video: {n} of 5 stars" for n in range(1, 6)],
        )
        made.observe(lambda change: self._later(self._rate, side, self._ballot, change["new"]), names="value")
        return made

    def _press(self, name: str) -> None:
        self._later(self._act, name, self._ballot)

    def _act(self, name: str, ballot: Ballot | None) -> None:
        """Do what a button says, for the two videos that were shown when it was pressed."""
        with self._lock:
            self._trouble.value = ""
            if name == "undo":
                self.experiment.undo(self._judge.value)
            elif ballot is None or ballot is not self._ballot:
                return  # pressed twice: the second press is not for the next pair
            elif name == "skip":
                self._skipped[frozenset((ballot.left, ballot.right))] += 1
            else:
                self.experiment.vote(ballot.left, ballot.right, name, is_blind=True, **self._by())  # type: ignore[arg-type]
            self._next()

    def _rate(self, side: str, ballot: Ballot | None, stars: int | None) -> None:
        if ballot is not None and stars is not None:  # None when the stars are taken off for the next pair
            self.experiment.rate(ballot.left if side == "left" else ballot.right, stars, **self._by())

    def _by(self) -> dict[str, str]:
        return {"judge": self._judge.value, "note": self._note.value.strip()}

    def _look_again(self) -> None:
        """See whether there is something to judge by now, where there was not."""
        with self._lock:
            if self._ballot is None:
                self._next()

    def _next(self) -> None:
        """Show the next two videos, or say that there are none."""
        with self._lock:
            self._ballot = ballot = self.experiment.ballot(self._judge.value, skipped=self._skipped)
            self._note.value = ""
            for stars in self._stars.values():
                stars.value = None
            for name, button in self._buttons.items():
                button.disabled = ballot is None and name != "undo"
            for part in (self._player, self._rated, self._note):
                show_part(part, ballot is not None)
            keys = (ballot.left, ballot.right) if ballot else ()
            self._shown = [self.experiment.cell(*key) for key in keys]
            once = secrets.token_hex(4)  # no run's id: it would tell
            self._player.clips = [
                page.clip_of(cell) | {"label": side, "short": side, "key": f"{once}-{side}", "blind": True}
                for cell, side in zip(self._shown, ("Left", "Right"), strict=False)
            ]
            done = f"{ballot.done} of {ballot.done + ballot.remaining} judged" if ballot else ""
            self._progress.value = f'<span class="wan-note">{done}</span>'
            self._end.value = "" if ballot else self._over_html()

    def _over_html(self) -> str:
        study = self.experiment
        if not study.videos:
            return note_html("There is no video to judge yet.")
        said = "You have judged every two videos that are there: thank you. Another judge may go on."
        if study.pairs and all(each.decided >= each.planned for each in study.tally().verdicts):
            said = f"The {study.votes_planned} votes on each pair that were planned are in: thank you."
        return f'<div class="wan-over"><b>{escape(said)}</b></div>{tally_html(study)}'


def tally_html(experiment: Experiment) -> str:
    """Return the tally, or where to find it when it is too long for a widget's state."""
    text = experiment.tally()._repr_html_()
    if len(text.encode()) <= STATE_BYTES:
        return text
    return note_html(f"{len(experiment.pairs)} pairs: <code>study.tally()</code> shows them all.")


def show(experiment: Experiment) -> None:
    """Display a study: the live view, and under it, folded, the twin that stays. Nothing outside of a notebook."""
    shell = get_ipython()
    if shell is None:
        return
    if experiment.session.is_closed:
        said = "This study's session is closed; open it again and run the cells that follow."
        screen.display({"text/plain": said}, raw=True)  # type: ignore[no-untyped-call]
        return
    handles: list[Any] = []

    def twin() -> dict[str, str]:
        folded = (
            f"<details data-wan-twin><summary>What stays in the notebook</summary>{page.html(experiment)}</details>"
        )
        return {"text/plain": repr(experiment), "text/html": folded}

    if hasattr(shell, "kernel"):
        view = StudyView(experiment, settled=lambda: handles[0].update(twin(), raw=True))
        screen.display(view)  # type: ignore[no-untyped-call]
    handles.append(screen.display(twin(), raw=True, display_id=True))  # type: ignore[no-untyped-call]
