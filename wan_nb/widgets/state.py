"""The form as a value that changes: what was chosen, what can be chosen, what is wrong with it. No widgets here.

A view writes the traits of `FormState` and, whenever `revision` grows, paints everything it shows from here: options
first, then the value. Nothing flows back from a repaint, so a model that lacks the chosen tier cannot push a wrong
choice through the form (an ipywidgets Dropdown selects its first entry whenever its options are assigned).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from traitlets import Any as AnyTrait
from traitlets import Bool, HasTraits, Int, TraitError, Unicode, observe, validate

from wan_nb import catalog
from wan_nb.catalog import ModelSpec
from wan_nb.errors import RequestError, WanError
from wan_nb.hints import nearest
from wan_nb.media import Media, load
from wan_nb.preview import SHOWN_REGION
from wan_nb.pricing import cheapest_tier
from wan_nb.problems import Place, Problem
from wan_nb.repair import Repaired
from wan_nb.request import MEDIA_FIELDS, VideoRequest
from wan_nb.widgets.offers import Change, Offer, Offers
from wan_nb.widgets.wording import model_words

if TYPE_CHECKING:
    from wan_nb.preview import Preview

TEXT_FIELDS = ("prompt", "negative_prompt", "template", "shot_type", "seed")
"""Fields whose empty text means: not given."""

SWITCHES = ("prompt_extend", "audio", "watermark")
"""Fields that are on, off, or left to the service (None)."""

_CHOSEN = ("model", "resolution", "duration", *TEXT_FIELDS, *SWITCHES, *MEDIA_FIELDS)


def values_of(request: VideoRequest) -> dict[str, Any]:
    """Return what a form holds that stands at a request: tier and seconds as they were used, even if by default."""
    given = {name: getattr(request, name) for name in _CHOSEN}
    return given | {"resolution": request.tier, "duration": request.seconds}


class FormState(HasTraits):
    """What the form holds and what follows from it.

    Args:
        preview: Says what a request comes to; may block, so it is called through `later`.
        place: What the endpoint narrows.
        later: Runs a function, on another thread if it likes (`Session.later`); here and now, if not given.
        defaults: Fields of a request to start with.

    Raises:
        RequestError: If a default is not a field of the form, or its model is not in the catalogue.

    Example:
        >>> state = FormState(model="wan2.5-i2v-preview", resolution="1080P", duration=10)
        >>> state.model = "wan2.1-i2v-plus"         # 720P and 5 s alone
        >>> state.resolution, state.duration
        ('720P', 5)
        >>> state.model = "wan2.5-i2v-preview"      # has what was chosen before
        >>> state.resolution, state.duration
        ('1080P', 10)
    """

    model = Unicode(catalog.DEFAULT_MODEL)
    resolution = Unicode("")
    duration = Int(0)
    prompt = Unicode("")
    negative_prompt = Unicode("")
    template = Unicode("")
    shot_type = Unicode("")
    seed = Unicode("")
    prompt_extend = AnyTrait(None, allow_none=True)
    audio = AnyTrait(None, allow_none=True)
    watermark = AnyTrait(None, allow_none=True)
    first_frame = AnyTrait(None, allow_none=True)
    last_frame = AnyTrait(None, allow_none=True)
    first_clip = AnyTrait(None, allow_none=True)
    driving_audio = AnyTrait(None, allow_none=True)
    allow_wasteful = Bool(False)
    """The user said: send it all the same."""
    confirmed = Bool(False)
    """The user said: spend it, above what the session spends without a word."""
    new_sample = Bool(False)
    """The user wants another result of a request that ran before."""
    revision = Int(0)
    """Grows after every change, once everything else has settled."""

    def __init__(
        self,
        preview: Callable[[VideoRequest], Preview | None] = lambda _: None,
        place: Place | None = None,
        later: Callable[..., Any] = lambda function, *given: function(*given),
        **defaults: Any,
    ) -> None:
        super().__init__()
        self.lock = threading.RLock()
        """Held while the state settles and while a view paints: changes may come from several threads."""
        self.place = place or Place()
        self._ask, self._later = preview, later
        self._is_asking = self._is_stale = False
        self._is_changing = False
        self._wished: dict[str, Any] = {}
        self._reading: dict[str, object] = {}
        self.preview: Preview | None = None
        """What the endpoint said last; `is_settled` says whether to the present request."""
        self.problems: tuple[Problem, ...] = ()
        """What is wrong, most severe first."""
        self.request = VideoRequest(self.model)
        """The request as it stands."""
        self.sources: dict[str, str] = {}
        """Path or address in the box of each medium; none for what was uploaded, mended or given as a picture."""
        self.offers = Offers(later, self._offered)
        """Repairs of the pictures; they come when they are worked out."""
        self.changes: list[Change] = []
        """What can be taken back, newest last."""
        with self.changing():
            self._start_with(defaults)

    def _start_with(self, defaults: Mapping[str, Any]) -> None:
        for name in defaults:
            if name not in _CHOSEN:
                near = nearest(name, _CHOSEN)
                hint = f"did you mean {near}?" if near else f"it has {', '.join(_CHOSEN)}."
                raise RequestError(f"{name!r} is not a field of the form; {hint}")
        given = {name: value for name, value in defaults.items() if value is not None}
        for name, value in given.items():
            if name in MEDIA_FIELDS and isinstance(value, str | os.PathLike):
                self.sources[name] = str(value)
            try:
                self._set({name: load(value, MEDIA_FIELDS[name]) if name in MEDIA_FIELDS else value})  # type: ignore[arg-type]
            except TraitError:
                raise RequestError(
                    f"{name}={value!r} is not a value of the form; leave it out, or choose it there."
                ) from None
        wanted = VideoRequest(self.model, resolution=given.get("resolution"), duration=given.get("duration"))
        for problem in wanted.problems(self.place, severity="refused"):
            if problem.field in ("resolution", "duration"):
                raise RequestError(str(problem), (problem,))

    @validate("model")
    def _known(self, proposal: Mapping[str, Any]) -> str:
        name = str(proposal["value"])
        if catalog.find_model(name) is None:
            raise RequestError(f"model {name!r} is not in the catalogue; {catalog.suggest(name)}")
        return name

    # --- what can be chosen -------------------------------------------------------------------------------------

    @property
    def spec(self) -> ModelSpec:
        """The row of the chosen model."""
        return catalog.MODELS[self.model]

    @property
    def shown(self) -> frozenset[str]:
        """Fields that the chosen model takes; the others are hidden and not sent."""
        spec = self.spec
        return frozenset({"model", "prompt", "resolution", "duration"}).union(spec.fields.union, *spec.inputs.union)

    @property
    def model_options(self) -> tuple[tuple[str, str], ...]:
        """(label, model id) of every model, those of one kind together."""
        names = list(catalog.MODELS)
        if self.model not in names:  # an alias stays as the user wrote it: it is what is sent
            names.insert(names.index(self.spec.id), self.model)
        names.sort(key=lambda name: ("i2v", "kf2v", "media").index(catalog.MODELS[name].family))
        return tuple((model_words(catalog.MODELS[name], name, self.place.region), name) for name in names)

    @property
    def duration_options(self) -> tuple[int, ...]:
        """Seconds that the chosen model offers here, in order."""
        return self.spec.durations_in(self.place.region).union

    # --- what follows -------------------------------------------------------------------------------------------

    def problems_of(self, field: str) -> tuple[Problem, ...]:
        """Return what is wrong with one field."""
        return tuple(problem for problem in self.problems if problem.field == field)

    def is_missing(self, field: str) -> bool:
        """Whether a field only waits to be filled: nothing in it yet, so nothing wrong was done."""
        return field in MEDIA_FIELDS and getattr(self, field) is None

    @property
    def wasteful(self) -> tuple[str, ...]:
        """Fields that the service would bill for and cut or ignore."""
        return tuple(dict.fromkeys(problem.field for problem in self.problems if problem.severity == "wasteful"))

    @property
    def loading(self) -> frozenset[str]:
        """Media that are being read just now."""
        return frozenset(self._reading)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is being read or asked: what is shown is about the present request."""
        return not self._reading and not self._is_asking

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Everything that keeps the request from being sent, in words."""
        accepted = ("warning", "wasteful") if self.allow_wasteful else ("warning",)
        held = [str(problem) for problem in self.problems if problem.severity not in accepted]
        held += [f"{self.over_budget}."] if self.over_budget else []
        if self._would_pay and self.needs_word and not self.confirmed:
            money, limit = self._would_pay.estimate.money, self._would_pay.limit
            cost = f"it costs about {money}" if money else "nobody knows what it costs"
            held.append(f"{cost}, and {limit} is the most without a word: tick 'spend it'.")
        return tuple(held)

    @property
    def _would_pay(self) -> Preview | None:
        """The preview, unless the run exists and is only shown, which costs nothing."""
        is_there = self.preview is not None and self.preview.existing is not None and not self.new_sample
        return None if is_there else self.preview

    @property
    def over_budget(self) -> str:
        """Why today's budget does not cover it; empty where it does, or where nothing would be paid."""
        return self._would_pay.over_budget if self._would_pay else ""

    @property
    def needs_word(self) -> bool:
        """Whether it costs more than the session spends without a word."""
        return self._would_pay is not None and self._would_pay.limit is not None

    @property
    def is_ready(self) -> bool:
        """Whether the request can be sent now."""
        return not self._reading and not self.obstacles

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Make several changes and settle once."""
        with self.lock:
            if self._is_changing:  # a part of more changes
                yield
                return
            self._is_changing = True
            try:
                yield
                self._settle()
            finally:
                self._is_changing = False
                self.revision += 1

    def refresh(self) -> None:
        """Ask what the endpoint says; while one question is on its way, all that follow become one more."""
        with self.changing():
            self._is_stale = self._is_asking
            if not self._is_asking:
                self._is_asking = True
                self._later(self._preview)

    def load(self, field: str, source: object) -> None:
        """Read a medium (path, URL, upload); an empty text takes it out. The latest call for a field wins.

        Args:
            field: ``"first_frame"``, ``"last_frame"``, ``"first_clip"`` or ``"driving_audio"``.
            source: Whatever `wan_nb.media.load` takes.
        """
        text = source.strip().strip("\"'") if isinstance(source, str) else source
        with self.changing():
            if getattr(self, field) is not None:
                self._remember(f"{'another' if text else 'no'} {field.replace('_', ' ')}", field)
            self.sources[field] = source if isinstance(source, str) else ""
            if text == "" or text is None:
                self._set({field: None})
                return
            ticket = self._reading[field] = object()
        self._later(self._read, field, text, ticket)

    def _read(self, field: str, source: object, ticket: object) -> None:
        kind = MEDIA_FIELDS[field]
        try:
            medium = load(source, kind)  # type: ignore[arg-type]
        except Exception as error:  # a reader that fails must not leave the form waiting
            said = str(error) if isinstance(error, WanError) else f"{type(error).__name__}: {error}"
            medium = Media(kind, "memory", "upload", error=said)  # type: ignore[arg-type]
        with self.changing():
            if self._reading.get(field) is ticket:
                self._set({field: medium})

    def mend(self, offer: Offer) -> None:
        """Take a repair: its picture takes the place of the one that it was made from."""
        field = offer.repair.field
        with self.changing():
            if offer.result is None or offer not in self.offers.of(field):
                return  # the picture was changed meanwhile
            self._remember(f"{field.replace('_', ' ')} mended", field, repaired=offer.result)
            self.sources[field] = ""
            self._set({field: offer.result.medium})

    def mended(self, field: str) -> tuple[Repaired, Change] | None:
        """Return what was done to the picture that stands in a field, and the change to take back; None if nothing."""
        for change in self.changes:
            if change.repaired and change.repaired.medium is getattr(self, field):
                return change.repaired, change
        return None

    def fill(self, request: VideoRequest, said: str) -> None:
        """Fill the form from a request, whatever it holds now; `take_back` gives that back.

        Args:
            request: Its model must be in the catalogue.
            said: What was done, for the one who may regret it: ``"filled from the run of 14:02"``.

        Raises:
            RequestError: If the form has no such model.
        """
        if catalog.find_model(request.model) is None:
            raise RequestError(f"model {request.model!r} is not in the catalogue, so the form has no fields for it.")
        with self.changing():
            self._remember(said + "".join(f", without {name}" for name in request.extra), *_CHOSEN)
            self.sources = {}
            self._set(values_of(request))

    def take_back(self, change: Change | None = None) -> None:
        """Undo one of `changes`, the last one if none is named."""
        with self.changing():
            change = change or (self.changes[-1] if self.changes else None)
            if change in self.changes and change is not None:
                self.changes.remove(change)
                self.sources |= change.sources
                self._set(change.before)

    def _set(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            self._reading.pop(name, None)  # what is still being read comes too late
            text = "" if value is None else str(value)
            setattr(self, name, text if name in TEXT_FIELDS else value)

    def _remember(self, said: str, *names: str, repaired: Repaired | None = None) -> None:
        before = {name: getattr(self, name) for name in names}
        sources = {name: self.sources.get(name, "") for name in names if name in MEDIA_FIELDS}
        self.changes = [*self.changes, Change(said, before, sources, repaired)][-20:]

    # --- settling -----------------------------------------------------------------------------------------------

    @observe(*_CHOSEN, "allow_wasteful", "confirmed", "new_sample")
    def _changed(self, change: Mapping[str, Any]) -> None:
        with self.changing():
            name = change["name"]
            if name in ("resolution", "duration"):
                self._wished[name] = change["new"]
            if name in _CHOSEN:
                self.new_sample = self.confirmed = False

    def _settle(self) -> None:
        """Dependants first: tier and seconds for the model, then the request, then what is wrong with it."""
        spec, wished = self.spec, dict(self._wished)
        tiers, seconds = spec.tiers.union, self.duration_options
        # until the user chooses, the cheapest tier: the service's own default is the dearest
        cheapest = cheapest_tier(spec.id, spec.tiers.agreed or tiers, self.place.region or SHOWN_REGION)
        shortest = spec.default_duration if spec.default_duration in seconds else seconds[0]
        self.resolution = wished["resolution"] if wished.get("resolution") in tiers else cheapest
        self.duration = wished["duration"] if wished.get("duration") in seconds else shortest
        self._wished = wished  # settling is not choosing
        before, self.request = self.request, self._build()
        if self.request != before:
            self.problems = self.request.problems(self.place)
            if not self.wasteful:
                self.allow_wasteful = False
            self.offers.seek(self.request, self.place)
            self.refresh()

    def _build(self) -> VideoRequest:
        shown = self.shown
        given: dict[str, Any] = {"resolution": self.resolution, "duration": self.duration}
        given |= {name: getattr(self, name).strip() or None for name in TEXT_FIELDS if name in shown}
        given |= {name: getattr(self, name) for name in (*SWITCHES, *MEDIA_FIELDS) if name in shown}
        seed = given.get("seed")
        if seed and seed.lstrip("-").isdecimal():
            given["seed"] = int(seed)
        return VideoRequest(self.model, **given)

    def _offered(self) -> None:
        with self.changing():
            pass  # nothing but what is shown

    def _preview(self) -> None:
        preview, told = None, []
        try:
            preview = self._ask(self.request)
        except Exception as error:  # a journal that cannot be read must not freeze the form: it says so instead
            told = [Problem("", "warning", f"No preview: {type(error).__name__}: {error}", "")]
        with self.changing():
            self._is_asking = False
            if self._is_stale:
                self.refresh()
            else:
                self.preview, self.problems = preview, (*self.request.problems(self.place), *told)
