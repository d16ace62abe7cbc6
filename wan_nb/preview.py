"""What would come of a request, before anything is sent: a value that a session makes and a cell shows."""

from __future__ import annotations

from dataclasses import dataclass

from wan_nb.geometry import Drift, Size
from wan_nb.pricing import Estimate
from wan_nb.problems import Problem
from wan_nb.record import RunState
from wan_nb.request import VideoRequest
from wan_nb.schedule import Usual


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen if a request were submitted now; nothing was sent."""

    request: VideoRequest
    """The request."""
    problems: tuple[Problem, ...]
    """Everything that is wrong or worth a warning, for this endpoint."""
    estimate: Estimate
    """Price by list; for a simulated session what it would cost in Singapore."""
    size: Size | None
    """Predicted size; None while nobody has seen the first frame (a URL)."""
    drift: Drift | None
    """How far that is from the first frame's shape."""
    existing: RunState | None
    """The run that this very request has already."""
    usual: Usual
    """How long such runs take."""
    is_simulated: bool
    """Whether it would cost nothing."""

    @property
    def is_ready(self) -> bool:
        """Whether it would be sent: nothing refused, nothing wasteful."""
        return all(problem.severity == "warning" for problem in self.problems)

    def __repr__(self) -> str:
        lines = [f"{self.request.model}, {self.request.tier}, {self.request.seconds} s"]
        if self.size:
            lines.append(f"size   {self.size} (estimate); {self.drift}")
        free = "free (simulated); live " if self.is_simulated else ""
        lines.append(f"price  {free}{self.estimate}")
        lines += [f"{problem.severity}: {problem}" for problem in self.problems] or ["ready"]
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from wan_nb.widgets import preview as view

        return {"text/plain": repr(self), "text/html": view.html(self)}
