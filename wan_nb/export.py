"""What is taken away from a study: CSV files, and a card from which it can be declared again.

The card holds the definition, hashes of inputs and results, and with which facts it was made. No key, no signed
address, no path of this machine, no picture.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_nb import tables
from wan_nb.catalog import cite
from wan_nb.errors import ConfigError, LedgerError
from wan_nb.history import COLUMNS, row
from wan_nb.media import Kind, load
from wan_nb.tally import standing
from wan_nb.variants import Design

if TYPE_CHECKING:
    from wan_nb.compare import Experiment

KIND, FORMAT = "wan_nb study card", 1
"""What a card says that it is; a change that older versions cannot read is a new number."""

_REFERENCE = re.compile(r"sha256:[0-9a-f]{64}|https?://.+|oss://.+")

CELL_COLUMNS = (
    *("study", "variant", "changes", "seed", "state", "actual_prompt", "sha256"),
    *(name for name in COLUMNS if name != "seed"),
)
"""Columns of a study's CSV: a row each cell."""
JUDGEMENT_COLUMNS = (
    *("judgement", "at", "judge", "kind", "left", "right", "seed", "choice", "better", "stars", "note", "is_blind"),
    *("planned", "stands", "undoes", "study", "left_run", "right_run"),
)
"""Columns of the CSV of judgements: a row for everything that was said, `stands` where it still holds."""

_RESULT = ("variant", "changes", "seed", "state", "take", "size", "seconds", "sha256", "actual_prompt")
"""Columns of a cell that a card names: nothing of them is needed to declare the study again."""


def rows(study: Experiment) -> list[dict[str, Any]]:
    """Return a dict of plain values each cell."""
    found = []
    for cell in study.cells:
        request, state = cell.request, cell.run.state if cell.run else None
        asked = {"model": request.model, "tier": request.tier, "seconds": request.seconds, "prompt": request.prompt}
        known = asked | (row(state) if state else {})
        known |= {
            "study": study.id,
            "variant": cell.variant.label,
            "changes": cell.variant.name,
            "seed": cell.seed,
            "state": cell.state,
            "actual_prompt": state.actual_prompt if state else "",
            "sha256": state.file.sha256 if state and state.file else "",
        }
        found.append({name: known.get(name) for name in CELL_COLUMNS})
    return found


def judgement_rows(study: Experiment) -> list[dict[str, Any]]:
    """Return a dict of plain values for everything that was said."""
    said = study.judgements
    stands = {each.id for each in standing(said)}
    keys = {state.run_id: cell.key for cell in study.cells for state in cell.takes}
    found = []
    for each in said:
        left, right = keys.get(each.left, ("", "")), keys.get(each.right, ("", ""))
        known = asdict(each) | {
            "judgement": each.id,
            "at": _iso(each.at),
            "left": left[0],
            "right": right[0],
            "seed": left[1],
            "better": {"left": left[0], "right": right[0]}.get(each.choice, each.choice),
            "stars": each.stars or "",
            "stands": each.id in stands,
            "left_run": each.left,
            "right_run": each.right,
        }
        found.append({name: known[name] for name in JUDGEMENT_COLUMNS})
    return found


def to_csv(study: Experiment, path: str | Path) -> tuple[Path, Path]:
    """Write the cells to `path` and all judgements beside it (``….votes.csv``); return both paths.

    Args:
        path: Where to, ``.csv``; what is there is replaced.
    """
    cells = tables.write_csv(path, CELL_COLUMNS, rows(study))
    beside = cells.with_name(f"{cells.stem}.votes.csv")
    return cells, tables.write_csv(beside, JUDGEMENT_COLUMNS, judgement_rows(study))


def to_card(study: Experiment) -> dict[str, Any]:
    """Return a card (plain values) from which `session.compare_from` declares the study again."""
    requests = [variant.request for variant in study.variants]
    media = {medium.sha256 or medium.name: medium for request in requests for medium in request.media.values()}
    specs = {request.spec.id: request.spec for request in requests}
    session = study.session
    return {
        "kind": KIND,
        "format": FORMAT,
        "made": _iso(session.clock.now()),
        "package": {"name": "wan_nb", "version": version("wan_nb")},
        "study": {"id": study.id, "name": study.name, "votes": study.votes_planned},
        "definition": study.design.to_record(),
        "inputs": [{"name": each.name, "kind": each.kind, "sha256": each.sha256} for each in media.values()],
        "service": {"is_simulated": session.is_simulated, "region": session.region},
        "models": {name: {"family": spec.family, "facts": cite(spec.source)} for name, spec in specs.items()},
        "prices": sorted({session.planner.estimate(request).source for request in requests}),
        "warnings": list(study.warnings),
        "results": [{name: each[name] for name in _RESULT} for each in rows(study)],
        "tally": study.tally().rows(),
    }


def _iso(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="seconds")


def to_json(study: Experiment, path: str | Path) -> Path:
    """Write the card as a JSON file and return its path.

    Args:
        path: Where to, ``.json``; what is there is replaced.
    """
    text = json.dumps(to_card(study), indent=1, ensure_ascii=False, default=str) + "\n"
    target = Path(path).expanduser()
    with tables.writing(target):
        target.write_text(text, encoding="utf-8")
    return target


def read_card(
    given: Mapping[str, Any] | str | Path, find: Callable[[str, str], Any], files: Iterable[str | Path]
) -> tuple[Design, str, int]:
    """Rebuild what a card compares.

    Args:
        given: The card, or the path of its JSON file.
        find: Gives a kept input by reference and name; raises LedgerError where it is not kept.
        files: Pictures, sounds and clips that may be the card's inputs; their bytes decide, not their names.

    Returns:
        What is compared, the study's name, and its number of votes.

    Raises:
        ConfigError: If it is no card, or of a newer format, or an input is missing.
    """
    if not isinstance(given, Mapping):
        try:
            given = json.loads(Path(given).expanduser().read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"{str(given)!r} cannot be read as a study's card ({error}).") from error
    if not isinstance(given, Mapping) or given.get("kind") != KIND:
        raise ConfigError(f"this is no study's card; study.to_json('card.json') writes one with kind {KIND!r}.")
    if given.get("format") != FORMAT:
        raise ConfigError(f"this card is of format {given.get('format')!r}, and {FORMAT} can be read; update wan_nb.")
    paths = [Path(path).expanduser() for path in files]

    def found(reference: str, name: str) -> Any:
        if not _REFERENCE.fullmatch(reference):  # a card may come from anybody: it must not name a file of this machine
            raise ConfigError(f"the card names {name!r} by {reference!r}; a hash or an https address is allowed.")
        try:
            return find(reference, name)
        except LedgerError:
            for path in paths:
                if f"sha256:{load(path, kinds[reference]).sha256}" == reference:
                    return path
        what = f"{name!r} ({reference[:14]}…)"
        tried = f"; {', '.join(path.name for path in paths)} hold other bytes" if paths else ""
        raise ConfigError(f"the card needs {what}, which is not here{tried}: compare_from(card, files=['{name}']).")

    try:
        kinds: dict[str, Kind] = {f"sha256:{each['sha256']}": each["kind"] for each in given["inputs"]}
        name, votes = str(given["study"]["name"] or ""), given["study"]["votes"]
        return Design.from_record(given["definition"], found), name, votes
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"this card is damaged ({error!r}); write it anew: study.to_json('card.json').") from error
