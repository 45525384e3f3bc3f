"""`python -m tests.bench.slim`: how large the slim installation is, beside the environment that runs this."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.kafka.launcher import to_stderr
from tests.support.slim import NoNetwork, install_slim, size_mib


def main() -> int:
    """Install, measure, print; the exit status."""
    with TemporaryDirectory(prefix="sentiment-slim-") as directory:
        try:
            commands = install_slim(Path(directory))
        except NoNetwork:
            to_stderr("error: pip reaches no index")
            return 1
        sys.stdout.write(f"pip install '.[cpu]': {size_mib(commands.parent):,.0f} MiB\n")
    sys.stdout.write(f"{sys.prefix}: {size_mib(Path(sys.prefix)):,.0f} MiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
