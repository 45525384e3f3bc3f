"""`python -m deploy.kafka run`: a broker in the foreground, to try things by hand."""

import argparse
import signal
import sys

from deploy.kafka.broker import LauncherError
from deploy.kafka.launcher import OURS, choose_broker, to_stderr


def main() -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.kafka", description="A real Kafka broker to work with.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="start a broker, print its address, stop it on Ctrl-C")
    run.add_argument("--port", type=int, help="port of 127.0.0.1 to listen on (default: a free one)")
    run.add_argument("--kind", choices=list(OURS), help="how to run it (default: the first kind that works)")
    arguments = parser.parse_args()
    # SIGTERM acts like Ctrl-C: the context manager stops the broker.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with choose_broker(kind=arguments.kind, port=arguments.port) as broker:
            to_stderr(broker.description)
            sys.stdout.write(f"{broker.address}\n")
            sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        return 0
    except LauncherError as error:
        to_stderr(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
