"""``wan-nb``: what one wants from a terminal, when the notebook is closed.

``runs`` and ``verify`` only read the journal and need no key; ``resume`` follows what is still going and fetches its
videos; ``check`` looks through notebooks before they are shared; ``doctor`` looks at the set-up itself.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from wan_nb.errors import AmbiguousError, RunError, WanError

if TYPE_CHECKING:
    from wan_nb.ledger import Ledger


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors are one line on stderr and exit code 1."""
    chosen = _parser().parse_args(arguments)
    try:
        is_good = chosen.work(chosen)
        sys.stdout.flush()
        return 0 if is_good else 1
    except WanError as error:
        print(f"wan-nb: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `wan-nb runs | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("wan-nb: stopped; runs go on at the service", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wan-nb", description="Wan image-to-video runs from a terminal.")
    commands = parser.add_subparsers(required=True, metavar="command")
    folder, region = argparse.ArgumentParser(add_help=False), argparse.ArgumentParser(add_help=False)
    where = "the session's folder (default %(default)s)"
    folder.add_argument("--folder", type=Path, default=Path("wan_runs/live"), help=where)
    region.add_argument("--region", help="where the key is from: singapore, beijing …")

    def command(
        name: str, work: Callable[[argparse.Namespace], bool], text: str, *shared: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, parents=shared)
        added.set_defaults(work=work)
        return added

    runs = command("runs", _runs, "list what was run in a folder", folder)
    runs.add_argument("--limit", type=int, default=20, help="how many, newest first (default 20)")
    resume = command("resume", _resume, "follow what is still going and fetch its videos", folder, region)
    resume.add_argument("--simulated", action="store_true", help="a simulated session's folder")
    command("verify", _verify, "check the journal and the files that it names", folder)
    check = command("check", _check, "find keys, signed addresses, widget state and large outputs in notebooks")
    check.add_argument("notebooks", nargs="+", type=Path)
    text = "look at this set-up and say what to do; makes a tiny simulated video"
    doctor = command("doctor", _doctor, text, folder, region)
    doctor.add_argument("--live", action="store_true", help="also ask the service for its time; costs nothing")
    return parser


def _ledger(folder: Path) -> Ledger:
    """Open the journal of a folder that has one."""
    from wan_nb.ledger import Ledger

    path = folder.expanduser() / "ledger.sqlite"
    if not path.is_file():
        others = ", ".join(str(each.parent) for each in sorted(folder.parent.glob("*/ledger.sqlite")))
        there = f"here is {others}" if others else "name a session's folder"
        raise RunError(f"{folder} has no journal; {there}: --folder chooses.")
    return Ledger(path)


def _runs(chosen: argparse.Namespace) -> bool:
    from wan_nb.telling import describe

    with closing(_ledger(chosen.folder)) as ledger:
        states = ledger.states(limit=chosen.limit)
    for state in states:
        where = state.file.path if state.file else ""
        words = f"{state.run_id}  {state.created:%Y-%m-%d %H:%M}  {state.model:24}  {describe(state):30}  {where}"
        print(words.rstrip())
    if not states:
        print("no runs yet")
    return True


def _resume(chosen: argparse.Namespace) -> bool:
    from wan_nb.connect import live, simulated

    _ledger(chosen.folder).close()  # says so where there is none
    if not chosen.simulated and (chosen.folder.expanduser() / "simulator").is_dir():
        raise RunError(f"{chosen.folder} is a simulated session's folder; add --simulated.")
    is_good = True
    with simulated(chosen.folder) if chosen.simulated else live(chosen.region, folder=chosen.folder) as session:
        going = session.resume()
        print(f"{len(going)} run(s) going")
        for run in going:
            try:
                print(f"{run.id}  saved  {run.wait().path}")
            except RunError as error:
                is_good = False
                print(error, file=sys.stderr)
                if isinstance(error, AmbiguousError) and session.endpoint.can_list:
                    print(run.candidates(), file=sys.stderr)
    return is_good


def _verify(chosen: argparse.Namespace) -> bool:
    with closing(_ledger(chosen.folder)) as ledger:
        wrong, count = ledger.verify(), len(ledger.states())
    print(*wrong, f"{count} runs, {len(wrong)} problem(s)", sep="\n")
    return not wrong


def _check(chosen: argparse.Namespace) -> bool:
    from wan_nb.sharing import check_notebook

    found = [f"{path}: {finding}" for path in chosen.notebooks for finding in check_notebook(path)]
    print(*found, f"{len(found)} finding(s)" if found else "nothing found", sep="\n")
    return not found


def _doctor(chosen: argparse.Namespace) -> bool:
    from wan_nb.checkup import doctor

    found = doctor(chosen.folder, region=chosen.region, live=chosen.live)
    print(found)
    return found.is_good


if __name__ == "__main__":
    sys.exit(main())
