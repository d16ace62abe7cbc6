"""``wan-nb``: what one wants from a terminal, when the notebook is closed.

``runs`` and ``verify`` only read the journal and need no key; ``resume`` follows what is still going and fetches its
videos; ``check`` looks through notebooks before they are shared; ``doctor`` looks at the set-up itself.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from wan_nb.errors import AmbiguousError, RunError, WanError
from wan_nb.record import RunState


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors are one line on stderr and exit code 1."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        done = int(chosen.work(chosen))
        sys.stdout.flush()
        return done
    except WanError as error:
        _say(f"wan-nb: {error}", to_stderr=True)
        return 1
    except BrokenPipeError:  # `wan-nb runs | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        _say("wan-nb: stopped; runs go on at the service", to_stderr=True)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wan-nb", description="Wan image-to-video runs from a terminal.")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, work: object, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(work=work)
        return added

    for name, work, text in (
        ("runs", _runs, "list what was run in a folder"),
        ("resume", _resume, "follow what is still going and fetch its videos"),
        ("verify", _verify, "check the journal and the files that it names"),
    ):
        added = command(name, work, text)
        where = "the session's folder (default %(default)s)"
        added.add_argument("--folder", type=Path, default=Path("wan_runs/live"), help=where)
        if name == "runs":
            added.add_argument("--limit", type=int, default=20, help="how many, newest first (default 20)")
        if name == "resume":
            added.add_argument("--region", help="where the key is from: singapore, beijing …")
            added.add_argument("--simulated", action="store_true", help="a simulated session's folder")
    check = command("check", _check, "find keys, signed addresses, widget state and large outputs in notebooks")
    check.add_argument("notebooks", nargs="+", type=Path)
    doctor = command("doctor", _doctor, "look at this set-up and say what to do; makes a tiny simulated video")
    doctor.add_argument(
        "--folder", type=Path, default=Path("wan_runs"), help="where runs are kept (default %(default)s)"
    )
    doctor.add_argument("--region", help="where the key is from: singapore, beijing …")
    doctor.add_argument("--live", action="store_true", help="also ask the service for its time; costs nothing")
    return parser


def _say(text: str, *, to_stderr: bool = False) -> None:
    print(text, file=sys.stderr if to_stderr else sys.stdout)


def _states(folder: Path, limit: int | None) -> list[RunState]:
    from wan_nb.ledger import Ledger

    path = folder.expanduser() / "ledger.sqlite"
    if not path.is_file():
        others = ", ".join(str(each.parent) for each in sorted(folder.parent.glob("*/ledger.sqlite")))
        there = f"here is {others}" if others else "name a session's folder"
        raise RunError(f"{folder} has no journal; {there}: --folder chooses.")
    ledger = Ledger(path)
    try:
        return ledger.states(limit=limit)
    finally:
        ledger.close()


def _runs(chosen: argparse.Namespace) -> int:
    from wan_nb.telling import describe

    states = _states(chosen.folder, chosen.limit)
    if not states:
        _say("no runs yet")
    for state in states:
        where = state.file.path if state.file else ""
        _say(
            f"{state.run_id}  {state.created:%Y-%m-%d %H:%M}  {state.model:24}  {describe(state):30}  {where}".rstrip()
        )
    return 0


def _resume(chosen: argparse.Namespace) -> int:
    from wan_nb.connect import live, simulated

    _states(chosen.folder, 1)  # says so where there is nothing
    session = simulated(chosen.folder) if chosen.simulated else live(chosen.region, folder=chosen.folder)
    failed = 0
    with session:
        going = session.resume()
        _say(f"{len(going)} run(s) going")
        for run in going:
            try:
                _say(f"{run.id}  saved  {run.wait().path}")
            except AmbiguousError as error:
                failed += 1
                _say(f"{error}\n{run.candidates() if session.endpoint.can_list else ''}".rstrip(), to_stderr=True)
            except RunError as error:
                failed += 1
                _say(str(error), to_stderr=True)
    return 1 if failed else 0


def _verify(chosen: argparse.Namespace) -> int:
    from wan_nb.ledger import Ledger

    count = len(_states(chosen.folder, None))
    ledger = Ledger(chosen.folder.expanduser() / "ledger.sqlite")
    wrong = ledger.verify()
    ledger.close()
    for line in wrong:
        _say(line)
    _say(f"{count} runs, {len(wrong)} problem(s)")
    return 1 if wrong else 0


def _check(chosen: argparse.Namespace) -> int:
    from wan_nb.sharing import check_notebook

    found = 0
    for path in chosen.notebooks:
        for finding in check_notebook(path):
            found += 1
            _say(f"{path}: {finding}")
    _say("nothing found" if not found else f"{found} finding(s)")
    return 1 if found else 0


def _doctor(chosen: argparse.Namespace) -> int:
    from wan_nb.checkup import doctor

    found = doctor(chosen.folder, region=chosen.region, live=chosen.live)
    _say(repr(found))
    return 0 if found.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
