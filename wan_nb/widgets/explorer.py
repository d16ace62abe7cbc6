"""Shapes tried out: choose a picture's size, a model, a tier and a shape, and see the best way there, to scale.

State first: `ExplorerState` holds what was chosen and what follows, and is tested without a front end; the view paints
it and writes nothing else. The static twin of an answer is its own table and drawing.
"""

from __future__ import annotations

from typing import Any

import ipywidgets as W  # noqa: N812
from traitlets import Bool, HasTraits, Int, Unicode, observe

from wan_nb.catalog import DEFAULT_MODEL, MODELS
from wan_nb.errors import ConfigError, WanError
from wan_nb.geometry import Size
from wan_nb.ratio import Reach, measured, reach
from wan_nb.widgets.parts import STYLE, escape, fault_html, guarded, put

_SHAPES = ("3:4", "4:3", "9:16", "16:9", "1:1", "4:5", "2:3", "3:2", "21:9", "1.85", "2.39:1", "1080x1350")


class ExplorerState(HasTraits):
    """What is asked, and the answer.

    Args:
        source: A picture, or its size.
        choices: `wanted`, `model`, `tier` and `padding` to start with.

    Example:
        >>> state = ExplorerState("750x1000", wanted="3:4", tier="720P", padding=False)
        >>> print(state.answer.best.output)
        832×1104
        >>> state.wanted = "wide"
        >>> state.answer is None, "not a ratio" in state.error
        (True, True)
    """

    source = Unicode("750x1000")
    wanted = Unicode("3:4")
    model = Unicode(DEFAULT_MODEL)
    tier = Unicode("")
    """As it was wished; another model may lack it (see `used_tier`)."""
    padding = Bool(True)
    error = Unicode("")
    """Why there is no answer, in a line."""
    revision = Int(0)
    """Grows after every change, once the answer is there."""

    def __init__(self, source: object = "750x1000", **choices: Any) -> None:
        self.answer: Reach | None = None
        """The answer; None where there is none."""
        super().__init__(source=measured(source).typed, **choices)
        if self.tier not in ("", *self.tiers):
            raise ConfigError(f"tier={self.tier!r}: {self.model} offers {', '.join(self.tiers)}; choose one of these.")
        self._settle()

    @property
    def tiers(self) -> tuple[str, ...]:
        """The tiers of the chosen model."""
        return MODELS[self.model].tiers.union

    @property
    def used_tier(self) -> str:
        """The chosen tier where the model has it, else the model's default."""
        return self.tier if self.tier in self.tiers else MODELS[self.model].default_tier

    @observe("source", "wanted", "model", "tier", "padding")
    def _settle(self, _: Any = None) -> None:
        try:
            self.answer = reach(
                self.wanted, source=Size.of(self.source), model=self.model, tier=self.used_tier, padding=self.padding
            )
            self.error = ""
        except WanError as error:
            self.answer, self.error = None, str(error)
        self.revision += 1


class Explorer(W.VBox):  # type: ignore[misc]
    """The view of `ExplorerState`; `wan.explorer()` makes it.

    Args:
        state: What it shows and changes.
    """

    def __init__(self, state: ExplorerState) -> None:
        self.state = state
        looks = {"layout": W.Layout(width="auto", min_width="200px"), "style": {"description_width": "70px"}}
        self._controls = {
            "source": W.Text(description="picture", continuous_update=False, **looks),
            "wanted": W.Combobox(description="shape", options=_SHAPES, continuous_update=False, **looks),
            "model": W.Dropdown(description="model", options=tuple(MODELS), **looks),
            "tier": W.ToggleButtons(style={"button_width": "70px"}),
            "padding": W.Checkbox(description="bars are acceptable", indent=False),
        }
        self._fault, self._shown = W.HTML(), W.HTML(layout=W.Layout(width="auto", min_width="0"))
        controls = W.HBox(list(self._controls.values()), layout=W.Layout(flex_flow="row wrap", align_items="center"))
        super().__init__([W.HTML(f"<style>{STYLE}</style>"), controls, self._fault, self._shown])
        self.add_class("wan")
        self._paint()
        for name, control in self._controls.items():
            control.observe(guarded(lambda change, name=name: self._choose(name, change["new"]), self._fail), "value")
        state.observe(guarded(lambda _: self._paint(), self._fail), "revision")

    def _choose(self, name: str, value: Any) -> None:
        if not self._painting:
            self.state.set_trait(name, value)

    def _paint(self) -> None:
        """Show what the state holds; nothing flows back from here."""
        state, self._painting = self.state, True
        try:
            put(self._controls["tier"], state.used_tier, state.tiers)
            for name in ("source", "wanted", "model", "padding"):
                put(self._controls[name], getattr(state, name))
            self._fault.value = f'<div class="wan-fault">{escape(state.error)}</div>' if state.error else ""
            self._shown.value = html(state)
        finally:
            self._painting = False

    def _fail(self, error: BaseException) -> None:
        self._fault.value = fault_html(error)

    def __repr__(self) -> str:
        return f"Explorer({self.state.answer.text if self.state.answer else self.state.error})"


def html(state: ExplorerState) -> str:
    """Return the static twin: drawing, code and table of the answer; empty where there is none."""
    if state.answer is None:
        return ""
    return f'{state.answer._repr_html_()}<pre style="margin:6px 0">{escape(state.answer.code())}</pre>'


def explorer(
    source: Any = "750x1000", *, wanted: str = "3:4", model: str = DEFAULT_MODEL, tier: str = "", padding: bool = True
) -> Explorer:
    """Return the widget that answers `wan.reach` while you choose.

    Args:
        source: A picture, or its size.
        wanted: The shape (or size) to start with.
        model: Model id or alias.
        tier: ``"480P"``, ``"720P"`` or ``"1080P"``; empty for the model's default.
        padding: Whether bars are acceptable.

    Raises:
        MediaError: If `source` is neither a size nor a picture that can be read.
        ConfigError: If the catalogue does not have the model, or the model the tier.

    Example:
        >>> explorer("750x1000", tier="720P")  # doctest: +SKIP
    """
    return Explorer(ExplorerState(source, wanted=wanted, model=MODELS[model].id, tier=tier, padding=padding))
