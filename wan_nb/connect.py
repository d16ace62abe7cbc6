"""The three ways to begin: the embedded service, the real one, a gateway. The only place that chooses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from wan_nb.clock import Clock
from wan_nb.endpoint import GATEWAY_IMAGE, Endpoint, Secret, find_key, region_endpoint
from wan_nb.errors import ConfigError
from wan_nb.pricing import Money, currency_of
from wan_nb.session import Session

if TYPE_CHECKING:
    from wan_nb.simulator import Scenario

SIMULATED_SPEED = 60.0
"""Service seconds in a real second: a job of two minutes takes two seconds."""

_BEGUN: WeakKeyDictionary[Session, tuple[object, ...]] = WeakKeyDictionary()


def simulated(
    folder: str | Path = "wan_runs/simulated",
    *,
    speed: float = SIMULATED_SPEED,
    scenario: Scenario | str | None = None,
) -> Session:
    """Begin with the embedded service: no key, no cost, real MP4s marked SIMULATED.

    Its tasks live in the folder: after a restart they go on. The same call again gives the session that is open.

    Args:
        folder: Where journal, videos and the simulator's tasks are kept.
        speed: How many service seconds pass in a real one.
        scenario: Faults and timing: a name in `wan_nb.simulator.SCENARIOS`, such as ``"throttled"``, or a `Scenario`;
            None for a good day.

    Raises:
        ConfigError: If the speed is not above 0, there is no such scenario, or the folder cannot be one.

    Example:
        >>> import tempfile
        >>> with simulated(tempfile.mkdtemp()) as session:
        ...     session.label
        'SIMULATED, 60× faster'
    """
    from wan_nb.simulator import Scenario, Simulator

    if scenario is not None and not isinstance(scenario, Scenario):
        scenario = Scenario.named(scenario)

    def begin(home: Path) -> Session:
        clock = Clock(speed=speed)
        service = Simulator(home / "simulator", clock=clock, scenario=scenario).start()
        try:
            endpoint = Endpoint("simulator", service.base_url, Secret("sk-simulated"), is_simulated=True)
            return Session(endpoint, home, clock=clock, on_close=service.stop)
        except BaseException:
            service.stop()
            raise

    return _begin_once(folder, ("simulator", speed, scenario), begin)


def live(
    region: str | None = None,
    *,
    api_key: str | None = None,
    workspace: str | None = None,
    budget: str | None = None,
    confirm_above: str | None = None,
    folder: str | Path = "wan_runs/live",
) -> Session:
    """Begin with the real service: every run costs money.

    Args:
        region: ``"singapore"``, ``"beijing"``, ``"virginia"`` …: where the key is from.
        api_key: The key; by default ``DASHSCOPE_API_KEY``, then the vendor SDK's key file.
        workspace: Workspace id, for its own host.
        budget: What may be spent a day, such as ``"2.00 USD"``; a run that could exceed it is refused.
        confirm_above: Price from which `submit` wants ``confirm=True``; nothing ever asks by input().
        folder: Where journal and videos are kept.

    Raises:
        ConfigError: If the key is missing or empty, the region is not known, or `workspace` is no id.

    Example:
        >>> session = live("singapore", budget="2.00 USD")  # doctest: +SKIP
    """
    if region is None:
        raise ConfigError("no region: say where the key is from, as in wan.live(region='singapore').")
    if workspace and not re.fullmatch(r"[\w-]+", workspace, re.ASCII):
        raise ConfigError(f"workspace={workspace!r} is not an id; copy it from the console.")
    endpoint = region_endpoint(region, Secret(""), workspace=workspace)  # a wrong region, before a missing key
    key = find_key(api_key)
    if not key.reveal().startswith(("sk-", "st-")):
        raise ConfigError(
            "the key does not look like one: they begin with 'sk-' (or 'st-'), without quotes around them."
        )
    listed = currency_of(region)
    for name, amount in (("budget", budget), ("confirm_above", confirm_above)):
        if amount is not None and listed and Money.of(amount).currency != listed:
            raise ConfigError(f"{name}={amount!r}: prices in {region} are in {listed}; write it as '2.00 {listed}'.")
    endpoint = replace(endpoint, key=key)
    return _begin_once(
        folder,
        (endpoint, budget, confirm_above),
        lambda home: Session(endpoint, home, budget=budget, confirm_above=confirm_above),
    )


def gateway(
    base_url: str,
    *,
    api_key: str | None = None,
    name: str = "gateway",
    poll_path: str = "/tasks/{task_id}",
    status_map: Mapping[str, str] | None = None,
    folder: str | Path | None = None,
) -> Session:
    """Begin with a gateway that re-offers the service under its own address (seed 002).

    It is taken to have no list, no cancel and no uploads, and the older bounds for pictures.

    Args:
        base_url: Up to and with the prefix, such as ``"https://relay.example/qwen/api/v1"``.
        api_key: The gateway's key; by default ``DASHSCOPE_API_KEY``.
        name: For people, and for the folder.
        poll_path: Where a task is asked for.
        status_map: Its own status words, to the vendor's: ``{"completed": "SUCCEEDED"}``.
        folder: Where journal and videos are kept; by default ``wan_runs/<name>``.

    Raises:
        ConfigError: If the address, `name` or `poll_path` cannot be one, or there is no key.

    Example:
        >>> session = gateway("https://relay.example/qwen/api/v1", api_key="sk-…")  # doctest: +SKIP
    """
    if not str(base_url).startswith(("https://", "http://")):
        raise ConfigError(f"base_url={base_url!r} is not an address; it begins with https:// and ends with /api/v1.")
    if "@" in urlsplit(base_url).netloc or urlsplit(base_url).query:
        raise ConfigError("base_url must hold no password and no query; give the key as api_key='…'.")
    if "{task_id}" not in poll_path:
        raise ConfigError(f"poll_path={poll_path!r} has no {{task_id}}; write it as '/tasks/{{task_id}}'.")
    if not re.fullmatch(r"\w[\w .-]*", name):
        raise ConfigError(f"name={name!r} cannot name a folder; give a word, such as 'relay'.")
    endpoint = Endpoint(
        name,
        base_url.rstrip("/"),
        find_key(api_key),
        poll_path=poll_path,
        can_list=False,
        can_cancel=False,
        can_upload=False,
        status_map=dict(status_map or {}),
        image=GATEWAY_IMAGE,
    )
    return _begin_once(folder or f"wan_runs/{name}", (endpoint,), lambda home: Session(endpoint, home))


def _begin_once(folder: str | Path, wishes: tuple[object, ...], begin: Callable[[Path], Session]) -> Session:
    """Give the open session that was begun in the same words, so that a cell can be run again; else begin one."""
    if not isinstance(folder, str | Path):
        raise ConfigError(f"folder={folder!r} is not a folder; give its path, such as 'wan_runs/mine'.")
    home = Path(folder).expanduser().resolve()
    same = (each for each, asked in list(_BEGUN.items()) if asked == (home, *wishes) and not each.is_closed)
    session = next(same, None) or begin(home)
    _BEGUN[session] = (home, *wishes)
    session.resume()
    return session
