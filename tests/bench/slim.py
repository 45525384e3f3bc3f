"""`python -m tests.bench.slim`: how large the slim installation is, beside the environment that runs this."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.kafka.launcher import to_stderr
from tests.support.package import NoNetwork, build, install, size_mib


def main() -> int:
    """Install, measure, print; the exit status."""
    with TemporaryDirectory(prefix="sentiment-slim-") as temporary:
        environment = Path(temporary) / "environment"
        try:
            install(build(Path(temporary)).wheel, environment)
        except NoNetwork:
            to_stderr("error: pip cannot reach an index")
            return 1
        sys.stdout.write(f"pip install '.[cpu]': {size_mib(environment):,.0f} MiB\n")
    sys.stdout.write(f"{sys.prefix}: {size_mib(Path(sys.prefix)):,.0f} MiB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
