"""`python -m tests.fuzz`: so many inputs for whatever reads foreign bytes; status 1 where a promise broke."""

import argparse
import secrets
import sys
import warnings
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fuzz.fuzzer import Tally, fuzz
from tests.fuzz.targets import CORPUS, TARGETS, share_of


def main() -> int:
    """Run the command line; the exit status."""
    arguments = _arguments()
    warnings.simplefilter("error")  # as under pytest
    sys.stderr.write(f"seed {arguments.seed}: the same seed and number make the same inputs\n")
    tallies: dict[str, Tally] = {}

    def tell(story: str) -> None:
        sys.stderr.write(f"{story}\n")

    for name in arguments.only or TARGETS:
        tell(f"{name}: {share_of(name, arguments.inputs):,} inputs")
        with TARGETS[name][1]() as target:
            tallies[name] = fuzz(
                target,
                name,
                inputs=share_of(name, arguments.inputs),
                seed=arguments.seed,
                keep_in=arguments.corpus,
                tell=tell,
            )
    Console().print(_table(tallies))
    return int(any(tally.findings for tally in tallies.values()))


def _table(tallies: dict[str, Tally]) -> Table:
    table = Table("target", *(dict.fromkeys(("inputs", "seconds", "inputs/s", "findings"))))
    for column in table.columns[1:]:
        column.justify = "right"
    for name, tally in tallies.items():
        table.add_row(name, f"{tally.inputs:,}", f"{tally.seconds:.0f}", f"{tally.rate:,.0f}", str(len(tally.findings)))
    return table


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="as an earlier run printed it")
    parser.add_argument("--only", action="append", choices=list(TARGETS), help="this target; may be repeated")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="where what broke is kept, a folder a target")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
