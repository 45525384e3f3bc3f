"""`python -m tests.support.wrong_clock FILE run`: the worker, on a machine whose clock is off.

By as many seconds as FILE says, which may change at any moment. The monotonic clock is right, as it is when somebody
sets a machine's time. Everything that Python code reads is off, the Kafka client's clock included.
"""

import sys
import time
from pathlib import Path


def main() -> None:
    file = Path(sys.argv.pop(1))
    right, right_ns = time.time, time.time_ns

    def off_s() -> int:
        return int(file.read_text())

    time.time = lambda: right() + off_s()
    time.time_ns = lambda: right_ns() + off_s() * 10**9

    from worker.cli import main as run  # not before: many a module keeps the function as it finds it

    sys.exit(run())


if __name__ == "__main__":
    main()
