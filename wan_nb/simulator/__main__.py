"""``python -m wan_nb.simulator --port 8765``: the simulator by itself, for curl, a browser or the vendor's SDK."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

from wan_nb.clock import Clock
from wan_nb.errors import ConfigError
from wan_nb.simulator import SCENARIOS, Scenario, Simulator


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted; print the base URL as the only line of output."""
    parser = argparse.ArgumentParser(prog="python -m wan_nb.simulator", description="Serve a simulated Wan service.")
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes a free one")
    parser.add_argument("--folder", type=Path, default=Path("wan_runs/simulator"), help="where its tasks live")
    parser.add_argument("--speed", type=float, default=60.0, help="service seconds in one second")
    parser.add_argument("--scenario", choices=list(SCENARIOS), default="plain", help="what goes wrong")
    options = parser.parse_args(arguments)
    try:
        clock, scenario = Clock(speed=options.speed), Scenario.named(options.scenario)
        with Simulator(options.folder, clock=clock, scenario=scenario, port=options.port) as simulator:
            sys.stdout.write(f"{simulator.base_url}\n")
            sys.stdout.flush()
            threading.Event().wait()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        pass  # the way to end it
    return 0


if __name__ == "__main__":
    sys.exit(main())
