"""`python -m deploy.demo`; deploy/demo/cli.py is the command line."""

import signal
import sys


def main() -> int:
    """Run the command line; the exit status."""
    # Importing takes a second in which nothing has been started: a Ctrl-C just ends us, without Python's traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from deploy.demo import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
