"""Where a call goes: base URL, region, key, and what that place can do.

The model, the host and the key must be of one region; tasks do not cross (seeds 000, 001, 003). A gateway re-offers
the service under a path prefix, with its own limits and words (seed 002). The key is held so that it shows nowhere.
"""

from __future__ import annotations

import getpass
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from wan_nb.catalog import Bounds, ImageLimits
from wan_nb.errors import ConfigError
from wan_nb.problems import Place


@dataclass(frozen=True, slots=True)
class Region:
    """One place of the vendor's own (FACTS §7)."""

    id: str
    """In the hosts of workspaces: ``{workspace}.{id}.maas.aliyuncs.com`` (seed 001)."""
    shared_host: str = ""
    """Host that any key of the region may use."""
    can_upload: bool = False
    """Whether it has the temporary upload (FACTS §5; Singapore by pages of Oct 2026 only)."""


REGIONS: Mapping[str, Region] = {
    "singapore": Region("ap-southeast-1", "dashscope-intl.aliyuncs.com", can_upload=True),
    "beijing": Region("cn-beijing", "dashscope.aliyuncs.com", can_upload=True),
    "virginia": Region("us-east-1", "dashscope-us.aliyuncs.com"),
    "frankfurt": Region("eu-central-1"),
    "tokyo": Region("ap-northeast-1"),
    "hongkong": Region("cn-hongkong", "cn-hongkong.dashscope.aliyuncs.com"),
}
"""Regions by the names that users give."""

GATEWAY_IMAGE = ImageLimits(Bounds(360, 2000, "S002"), Bounds(0, 10, "S002"))
"""What the gateway of seed 002 takes; the older bounds, which relays still enforce."""


class Secret:
    """A key that shows itself to nobody by accident.

    Example:
        >>> key = Secret("sk-0123")
        >>> key, f"{key}", key.reveal() == "sk-0123"
        (Secret(…), 'Secret(…)', True)
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the key, for a header and nothing else."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled")


def unsigned(record: logging.LogRecord) -> bool:
    """Take the query off a signed address in a line of a log: it opens the file to whoever reads it.

    Example:
        >>> line = logging.makeLogRecord({"msg": "GET %s", "args": ("https://oss.example/v.mp4?Signature=x",)})
        >>> unsigned(line), line.getMessage()
        (True, 'GET https://oss.example/v.mp4')
    """
    if isinstance(record.args, tuple):
        record.args = tuple(str(arg).split("?")[0] if "ignature=" in str(arg) else arg for arg in record.args)
    return True


logging.getLogger("httpx").addFilter(unsigned)  # httpx names every address that it asks for


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place that answers calls."""

    name: str
    """For people: ``"singapore"``, ``"simulator"``, or a gateway's own name."""
    base_url: str
    """Up to and with ``/api/v1``, no slash at the end."""
    key: Secret = field(repr=False)
    """What authorises a call."""
    region: str = ""
    """``"singapore"`` …; empty where regions do not matter."""
    is_simulated: bool = False
    """Whether this is the embedded service."""
    poll_path: str = "/tasks/{task_id}"
    """Where a task is asked for."""
    can_list: bool = True
    """Whether tasks can be listed."""
    can_cancel: bool = True
    """Whether a queued task can be called back."""
    can_upload: bool = True
    """Whether local audio and clips can be uploaded."""
    status_map: Mapping[str, str] = field(default_factory=dict)
    """A gateway's own status words, to the vendor's."""
    image: ImageLimits | None = None
    """A gateway's own bounds for pictures."""

    @property
    def identity(self) -> str:
        """What the journal calls this place; the simulator's port changes and does not count."""
        return "simulator" if self.is_simulated else self.base_url

    @property
    def place(self) -> Place:
        """What this place narrows of the service at large."""
        return Place(region=self.region, image=self.image, uploads=self.can_upload)

    @property
    def host(self) -> str:
        """Host name, for messages."""
        return urlsplit(self.base_url).hostname or self.base_url


def region_endpoint(region: str, key: Secret, *, workspace: str | None = None) -> Endpoint:
    """Return the vendor's own endpoint in a region.

    Args:
        region: A name in `REGIONS`.
        key: A key of that region.
        workspace: Workspace id, for its own host (seed 001 recommends it in Singapore).

    Raises:
        ConfigError: If there is no such region, or it has workspace hosts only.

    Example:
        >>> region_endpoint("singapore", Secret("sk-0")).base_url
        'https://dashscope-intl.aliyuncs.com/api/v1'
    """
    if region not in REGIONS:
        raise ConfigError(f"region={region!r} is not known; the regions are {', '.join(REGIONS)}.")
    its = REGIONS[region]
    host = f"{workspace}.{its.id}.maas.aliyuncs.com" if workspace else its.shared_host
    if not host:
        raise ConfigError(f"{region} has no shared host; give workspace='…' (its id stands in the console).")
    return Endpoint(region, f"https://{host}/api/v1", key, region=region, can_upload=its.can_upload)


def find_key(api_key: str | None = None) -> Secret:
    """Return the key from the argument, ``DASHSCOPE_API_KEY``, or the vendor SDK's key file.

    Args:
        api_key: The key; ``"ask"`` asks for it without showing it; None looks in the environment.

    Raises:
        ConfigError: If none of them has one, or what was given is empty.
    """
    where, text = "api_key", getpass.getpass("Model Studio API key (not shown): ") if api_key == "ask" else api_key
    if text is None:
        where = "DASHSCOPE_API_KEY"
        text = os.environ.get(where)
    if text is None:
        path = Path(os.environ.get("DASHSCOPE_API_KEY_FILE_PATH") or "~/.dashscope/api_key").expanduser()
        try:
            where, text = str(path), path.read_text(encoding="utf-8") if path.is_file() else None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} cannot be read ({error}); write the key anew, as plain text.") from None
    if text is None:
        raise ConfigError(
            "no API key: set DASHSCOPE_API_KEY, or give api_key='sk-…'. Without one, wan.simulated() costs nothing."
        )
    text = str(text).strip()
    if not text:
        raise ConfigError(f"{where} is empty; a key looks like 'sk-…'. Without one, wan.simulated() costs nothing.")
    if any(character.isspace() or not character.isascii() for character in text):
        raise ConfigError(f"{where} has a space or a sign that no key has; copy it again from the console.")
    return Secret(text)
