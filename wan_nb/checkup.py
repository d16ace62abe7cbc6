"""A look at somebody's set-up: what is there, what is wrong with it, and what to do, one line each.

Nothing leaves this machine unless it is asked for, nothing costs money, and a key is never shown.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wan_nb import tables
from wan_nb.endpoint import Secret, find_key, region_endpoint
from wan_nb.errors import AuthenticationError, ConfigError, ServiceError, WanError

ROOM_MB = 1000
"""Free megabytes below which we say so; a run takes 2 to 50."""
NO_ROOM_MB = 100
"""Free megabytes below which the next runs may not be saved."""
CLOCK_S = 60.0
"""Seconds that the clock may differ from the service's: tasks are looked for by their time."""

_PIP = f"{Path(sys.executable).name or 'python'} -m pip install"
_EXTENSIONS = {"ipywidgets": "@jupyter-widgets/jupyterlab-manager", "anywidget": "anywidget"}
_NETWORK_TYPES = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "lustre", "gluster", "beegfs", "gpfs", "fuse.sshfs")

Level = Literal["ok", "note", "wrong"]
"""``note``: it works, and there is something to know. ``wrong``: something will fail."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    topic: str
    """What it is about: ``"Python"``, ``"packages"`` …"""
    level: Level
    """How it is."""
    text: str
    """What was found."""
    to_do: str = ""
    """What to do about it; empty when nothing."""

    def __str__(self) -> str:
        return f"{self.level:5}  {self.topic:9}  {self.text}{f'; {self.to_do}' if self.to_do else ''}"


class Checkup(tuple[Check, ...]):
    """Everything that was looked at; shown as a table.

    Example:
        >>> checkup = Checkup([Check("key", "note", "there is none", "set DASHSCOPE_API_KEY")])
        >>> checkup.is_good
        True
        >>> checkup
        note   key        there is none; set DASHSCOPE_API_KEY
    """

    __slots__ = ()

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong."""
        return all(check.level != "wrong" for check in self)

    def __repr__(self) -> str:
        return "\n".join(map(str, self))

    def _repr_html_(self) -> str:
        rows = [(check.level, check.topic, check.text, check.to_do) for check in self]
        return tables.as_html(("", "looked at", "found", "to do"), rows)


def doctor(folder: str | Path = "wan_runs", *, region: str | None = None, live: bool = False) -> Checkup:
    """Look at versions, front end, key, storage and the simulator, and say what to do; takes a few seconds.

    Args:
        folder: Where runs are kept, or will be; nothing stays in it.
        region: Where the key is from, to ask its service when `live`.
        live: Whether the service may be asked for its time and whether it takes the key: one call that costs nothing.

    Raises:
        ConfigError: If `live` is asked without a known region.

    Example:
        >>> import tempfile
        >>> doctor(tempfile.mkdtemp()).is_good  # doctest: +SKIP
        True
    """
    key, found = _key(region)
    python = Check("Python", "ok", f"{platform.python_version()} in {sys.prefix}")
    around = (python, _packages(), *_kernel(), *_front_end(), *_patching(), found)
    service = _service(region, key) if live else ()
    return Checkup((*around, *service, *_storage(Path(folder)), _simulator()))


# --- versions ---------------------------------------------------------------------------------------------------------


def _version(package: str) -> str:
    """Return the installed version of a package; empty where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _packages() -> Check:
    try:
        wanted = importlib.metadata.requires("wan_nb") or []
    except importlib.metadata.PackageNotFoundError:
        return Check("packages", "note", "wan_nb runs from its source and is not installed", "pip install -e .")
    needs = [re.fullmatch(r"([\w-]+)\s*>=\s*([\d.]+)", line.strip()) for line in wanted]  # None: an extra
    found = [(match[1], match[2], _version(match[1])) for match in needs if match]
    lacks = [each for each in found if _numbers(each[2]) < _numbers(each[1])]
    if lacks:
        text = ", ".join(f"{name} is {version or 'missing'}" for name, _, version in lacks)
        cure = " ".join(f"'{name}>={oldest}'" for name, oldest, _ in lacks)
        return Check("packages", "wrong", text, f"{_PIP} -U {cure}")
    return Check("packages", "ok", f"wan_nb {_version('wan_nb')} and the {len(found)} packages that it needs")


def _kernel() -> Iterator[Check]:
    version = _version("ipykernel")
    if not version:
        yield Check("kernel", "note", "no notebook can run in this environment", f"{_PIP} ipykernel")
        return
    if (7, 0) <= _numbers(version) < (7, 4):
        text = f"ipykernel {version}: on 7.0 to 7.3 a notebook now and then does not start"
        yield Check("kernel", "note", text, f"{_PIP} -U ipykernel")
    else:
        yield Check("kernel", "ok", f"ipykernel {version}")
    with suppress(ImportError, LookupError, OSError, ValueError):  # no Jupyter here, or no such kernel
        from jupyter_client.kernelspec import KernelSpecManager

        program = Path(KernelSpecManager().get_kernel_spec("python3").argv[0])
        if program.is_absolute() and program.parent != Path(sys.executable).parent:
            text = f"the kernel 'python3' runs another Python, {program}"
            cure = f"{sys.executable} -m ipykernel install --sys-prefix, and restart Jupyter"
            yield Check("kernel", "note", text, cure)


def _front_end() -> Iterator[Check]:
    """Look for the browser's half of the widgets: the server serves it from its own environment."""
    version = _version("jupyterlab") or _version("notebook")
    if not version:
        cure = "see to it that ipywidgets and anywidget are installed there too, or the form stays blank"
        yield Check("front end", "note", "JupyterLab is in another environment than this one", cure)
        return
    from jupyter_core.paths import jupyter_path

    found = {}
    for package, extension in _EXTENSIONS.items():
        manifests = (Path(place, extension, "package.json") for place in jupyter_path("labextensions"))
        with suppress(StopIteration, OSError, ValueError, KeyError):
            manifest = next(path for path in manifests if path.is_file())
            found[package] = json.loads(manifest.read_text(encoding="utf-8"))["version"]
    lacks = [package for package in _EXTENSIONS if package not in found]
    if lacks:
        cure = f"{_PIP} --force-reinstall {' '.join(lacks)}, restart Jupyter and reload the page"
        yield Check("front end", "wrong", f"the browser's half of {' and '.join(lacks)} is not there", cure)
    else:
        halves = " and ".join(f"{package} ({its})" for package, its in found.items())
        yield Check("front end", "ok", f"JupyterLab {version} with the browser's half of {halves}")


def _patching() -> Iterator[Check]:
    """Name the trap of nest_asyncio where it has closed (it loses queued cells and clicks)."""
    import asyncio

    harms = sys.version_info >= (3, 14) or _numbers(_version("ipykernel")) >= (7, 2)
    if harms and hasattr(asyncio, "_nest_patched") and "nest_asyncio2" not in sys.modules:
        cure = "take nest_asyncio.apply() out of the notebook and restart the kernel; await works without it"
        yield Check("asyncio", "wrong", "nest_asyncio has patched this process: cells and clicks will be lost", cure)


# --- key and service --------------------------------------------------------------------------------------------------


def _key(region: str | None) -> tuple[Secret | None, Check]:
    try:
        key = find_key()
    except ConfigError as error:
        # not having one is no fault: what is empty or torn is
        is_absent = str(error).startswith("no API key")
        return None, Check("key", "note" if is_absent else "wrong", str(error).rstrip("."))
    if not key.reveal().startswith(("sk-", "st-")):
        return None, Check("key", "wrong", "what is set is not a key: those begin with 'sk-'", "copy it again")
    where = "in DASHSCOPE_API_KEY" if os.environ.get("DASHSCOPE_API_KEY") else "in the vendor SDK's key file"
    say = "" if region else "say the region that it is from, as in wan.live(region='singapore')"
    return key, Check("key", "ok", f"there is one {where} (not shown)", say)


def _service(region: str | None, key: Secret | None) -> Iterator[Check]:
    from wan_nb.client import Client
    from wan_nb.engine import Engine

    if region is None:
        raise ConfigError("live needs the region that the key is from: region='singapore' (--region singapore).")
    endpoint = region_endpoint(region, key or Secret("none"))

    async def ask() -> tuple[WanError | None, float]:
        client = Client(endpoint)
        try:
            await client.list_tasks(page_size=1)
        except WanError as error:
            return error, client.ahead_s
        finally:
            await client.close()
        return None, client.ahead_s

    engine = Engine()
    said, ahead_s = engine.run(ask())
    engine.stop()
    if said is not None and not isinstance(said, ServiceError):
        yield Check("service", "wrong", str(said).rstrip("."), f"let this machine reach {endpoint.host} (proxy?)")
        return
    if key and isinstance(said, AuthenticationError):
        yield Check("service", "wrong", f"{region} does not take the key", "name the region that it is from")
    else:
        taken = f"takes the key{f', and says {said}' if said else ''}" if key else "answers; no key was sent to it"
        yield Check("service", "ok", f"{endpoint.host} {taken}")
    if abs(ahead_s) <= CLOCK_S:
        yield Check("clock", "ok", f"within {CLOCK_S:.0f} s of the service's")
    else:
        text = f"it is {abs(ahead_s):.0f} s {'behind' if ahead_s > 0 else 'ahead of'} the service's"
        yield Check("clock", "wrong", text, "let the system set it by the network")


# --- storage and simulator --------------------------------------------------------------------------------------------


def _storage(folder: Path) -> Iterator[Check]:
    wanted = folder.expanduser().resolve()
    home = next(place for place in (wanted, *wanted.parents) if place.is_dir())
    try:
        with (
            tempfile.TemporaryDirectory(dir=home, prefix=".wan-doctor-") as probe,
            closing(sqlite3.connect(Path(probe) / "probe.sqlite")) as database,
        ):
            mode = database.execute("PRAGMA journal_mode=WAL").fetchone()[0]
            database.execute("CREATE TABLE probe (x)")
    except (OSError, sqlite3.Error) as error:
        yield Check("storage", "wrong", f"{home} cannot be written ({error})", "work in a folder of your own")
        return
    kind = _file_system(home)
    if kind.startswith(_NETWORK_TYPES):
        cure = "have only one machine work in it at a time, or give folder= on a local disk"
        yield Check("storage", "note", f"{home} is on a network file system ({kind})", cure)
    elif mode != "wal":
        cure = "have only one kernel work in it at a time, or give folder= on a local disk"
        yield Check("storage", "note", f"{home} cannot share a journal between kernels (no WAL)", cure)
    else:
        yield Check("storage", "ok", f"{home} can be written, and several kernels can share it")
    free_mb = shutil.disk_usage(home).free // 10**6
    if free_mb < ROOM_MB:
        level: Level = "wrong" if free_mb < NO_ROOM_MB else "note"
        cure = "make room; session.prune(older_than_days=30) names old videos"
        yield Check("storage", level, f"only {free_mb} MB are free", cure)
    else:
        yield Check("storage", "ok", f"{free_mb / 1000:.0f} GB are free; a run takes 2 to 50 MB")


def _file_system(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    r"""Return the type of the file system that a path lies on; empty where the system does not say.

    Example:
        >>> listing = Path(tempfile.mkdtemp()) / "mounts"
        >>> _ = listing.write_text("disk / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\n")
        >>> _file_system(Path("/home/ada"), listing), _file_system(Path("/homes"), listing)
        ('nfs4', 'ext4')
    """
    if str(path).startswith("\\\\"):
        return "smb"
    try:
        rows = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return ""
    above = [(len(row[1]), row[2]) for row in rows if path.is_relative_to(row[1].replace("\\040", " "))]
    return max(above, default=(0, ""))[1]


def _simulator() -> Check:
    """Make a tiny video from start to end: socket, protocol, encoder, journal and file together."""
    from PIL import Image

    from wan_nb.connect import simulated
    from wan_nb.request import VideoRequest
    from wan_nb.simulator import Scenario

    began = time.monotonic()
    picture = Image.linear_gradient("L").resize((400, 300)).convert("RGB")
    request = VideoRequest("wan2.6-i2v-flash", first_frame=picture, prompt="A slow pan.", resolution="720P", duration=2)
    try:
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
            simulated(folder, speed=600, scenario=Scenario.named("small")) as session,
        ):
            video = session.submit(request).wait(timeout_s=60)
            text = f"made and saved {video.duration_s:g} s of {video.size} in {time.monotonic() - began:.1f} s"
    except Exception as error:  # whatever it is, a line that names it is what the user needs
        cure = "let programs listen on 127.0.0.1; if that is not it, reinstall wan_nb in a new environment"
        return Check("simulator", "wrong", f"no video: {type(error).__name__}: {error}", cure)
    return Check("simulator", "ok", text)
