"""Jupyter notebook toolkit for Alibaba Cloud Model Studio's Wan image-to-video models.

::

    import wan_nb as wan

    session = wan.simulated()                      # no key, no cost; wan.live(region="singapore") is the real service
    request = wan.VideoRequest("wan2.6-i2v-flash", first_frame="cat.png", prompt="The cat looks up.", resolution="720P")
    run = session.submit(request)
    video = run.wait()                             # or: video = await run

Importing starts nothing; what is heavy is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wan_nb.calibration import Observation as Observation
    from wan_nb.calibration import calibrate as calibrate
    from wan_nb.catalog import MODELS as MODELS
    from wan_nb.catalog import ModelSpec as ModelSpec
    from wan_nb.catalog import add_model as add_model
    from wan_nb.checkup import doctor as doctor
    from wan_nb.compare import Experiment as Experiment
    from wan_nb.connect import gateway as gateway
    from wan_nb.connect import live as live
    from wan_nb.connect import simulated as simulated
    from wan_nb.engine import allow_nested_loops as allow_nested_loops
    from wan_nb.errors import WanError as WanError
    from wan_nb.exercises import check as check
    from wan_nb.geometry import Size as Size
    from wan_nb.geometry import compare_rules as compare_rules
    from wan_nb.geometry import drift as drift
    from wan_nb.geometry import lattice as lattice
    from wan_nb.geometry import predict as predict
    from wan_nb.history import Runs as Runs
    from wan_nb.measures import Measures as Measures
    from wan_nb.measures import measure as measure
    from wan_nb.media import Media as Media
    from wan_nb.media import load as load
    from wan_nb.mend import crop as crop
    from wan_nb.mend import flatten as flatten
    from wan_nb.mend import pad as pad
    from wan_nb.mend import scale_into as scale_into
    from wan_nb.mend import to_rgb as to_rgb
    from wan_nb.mend import upright as upright
    from wan_nb.plots import plot_drift as plot_drift
    from wan_nb.plots import plot_lattice as plot_lattice
    from wan_nb.plots import plot_measures as plot_measures
    from wan_nb.plots import plot_rules as plot_rules
    from wan_nb.plots import plot_study_cost as plot_study_cost
    from wan_nb.plots import plot_tally as plot_tally
    from wan_nb.preview import Preview as Preview
    from wan_nb.pricing import Money as Money
    from wan_nb.problems import Problem as Problem
    from wan_nb.ratio import reach as reach
    from wan_nb.repair import repairs as repairs
    from wan_nb.request import VideoRequest as VideoRequest
    from wan_nb.result import Video as Video
    from wan_nb.run import Run as Run
    from wan_nb.run import gather as gather
    from wan_nb.session import Session as Session
    from wan_nb.sharing import check_notebook as check_notebook
    from wan_nb.widgets.explorer import explorer as explorer

_HOMES = {
    "calibration": ("Observation", "calibrate"),
    "catalog": ("MODELS", "ModelSpec", "add_model"),
    "checkup": ("doctor",),
    "compare": ("Experiment",),
    "connect": ("gateway", "live", "simulated"),
    "engine": ("allow_nested_loops",),
    "errors": ("WanError",),
    "exercises": ("check",),
    "geometry": ("Size", "compare_rules", "drift", "lattice", "predict"),
    "history": ("Runs",),
    "measures": ("Measures", "measure"),
    "media": ("Media", "load"),
    "mend": ("crop", "flatten", "pad", "scale_into", "to_rgb", "upright"),
    "plots": ("plot_drift", "plot_lattice", "plot_measures", "plot_rules", "plot_study_cost", "plot_tally"),
    "pricing": ("Money",),
    "problems": ("Problem",),
    "ratio": ("reach",),
    "repair": ("repairs",),
    "request": ("VideoRequest",),
    "result": ("Video",),
    "run": ("Run", "gather"),
    "preview": ("Preview",),
    "session": ("Session",),
    "widgets.explorer": ("explorer",),
    "sharing": ("check_notebook",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - made from the one table above


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used; also `__version__`."""
    if name == "__version__":
        from importlib.metadata import version

        return version("wan_nb")
    if name in _HOME_OF:
        return getattr(importlib.import_module(f"wan_nb.{_HOME_OF[name]}"), name)
    from wan_nb.hints import nearest

    near = "" if name.startswith("_") else nearest(name, __all__)
    raise AttributeError(f"module 'wan_nb' has no attribute {name!r}" + (f"; did you mean {near!r}?" if near else ""))


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
