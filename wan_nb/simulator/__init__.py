"""The embedded service: a witness of its own beside the client, with every answer, quirk and fault of the documents.

``scenario`` is what it is like on a given day; ``engine`` and ``intake`` are the protocol as pure functions;
``storage`` is what comes and goes, ``store`` the folder and the threads that fill it; ``footage`` and ``lettering``
make the videos; ``server`` answers.
"""

from wan_nb.simulator.scenario import SCENARIOS, Fault, Limits, Scenario, SizeRule, Timing
from wan_nb.simulator.server import Simulator

__all__ = ["SCENARIOS", "Fault", "Limits", "Scenario", "Simulator", "SizeRule", "Timing"]
