"""The pictures, sounds and clips that runs were made from: the very bytes that were hashed, each under its hash.

A file of the user's may change or go; a run can be made again all the same. One medium is kept once, however many
runs use it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from wan_nb.errors import LedgerError
from wan_nb.media import Media


@dataclass(frozen=True, slots=True)
class KeptInputs:
    """The ``inputs/`` of a session's folder."""

    folder: Path
    """Where the files are."""

    def keep(self, medium: Media) -> None:
        """Copy a medium's bytes, unless they are kept already; addresses are not fetched."""
        if medium.origin in ("url", "oss"):
            return
        target = self.folder / f"{medium.sha256}.{medium.format.lower()}"
        if target.exists():
            return
        part = target.with_name(f"{target.name}.{secrets.token_hex(3)}.part")
        try:
            with part.open("wb") as out, medium.open() as source:
                while block := source.read(1 << 20):
                    out.write(block)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def find(self, reference: str, name: str) -> str | Path:
        """Return where a medium of the journal is: its file, or its address.

        Raises:
            LedgerError: If the file is gone.
        """
        if not reference.startswith("sha256:"):
            return reference
        found = sorted(self.folder.glob(f"{reference.removeprefix('sha256:')}.*"))
        if not found:
            raise LedgerError(f"the file {name!r} of this run is no longer kept in {self.folder.name}/; give it anew.")
        return found[0]
