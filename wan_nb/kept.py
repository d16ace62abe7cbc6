"""The pictures, sounds and clips that runs were made from: the very bytes that were hashed, each under its hash.

A file of the user's may change or go; a run can be made again all the same. One medium is kept once, however many
runs use it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from wan_nb.errors import LedgerError, MediaError
from wan_nb.media import Media
from wan_nb.request import VideoRequest


@dataclass(frozen=True, slots=True)
class KeptInputs:
    """The ``inputs/`` of a session's folder."""

    folder: Path
    """Where the files are."""

    def keep(self, request: VideoRequest) -> VideoRequest:
        """Copy a request's media, unless they are kept already, and return it with the copies; an address stays one.

        Raises:
            MediaError: If a file is gone or holds other bytes than when it was loaded.
        """
        return request.replace(**{name: self._keep(medium) for name, medium in request.media.items()})

    def _keep(self, medium: Media) -> Media:
        if medium.url:
            return medium  # an address, which is not fetched
        target = self.folder / f"{medium.sha256}.{medium.format.lower()}"
        if target.exists():
            return replace(medium, path=target)
        part = target.with_name(f"{target.name}.{secrets.token_hex(3)}.part")
        try:
            with part.open("w+b") as out, medium.open() as source:
                shutil.copyfileobj(source, out)
                out.flush()
                os.fsync(out.fileno())
                out.seek(0)
                copied = hashlib.file_digest(out, "sha256").hexdigest()
            if copied != medium.sha256:
                raise MediaError(f"{medium.name!r} was changed since it was loaded; load it again.")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return replace(medium, path=target)

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
