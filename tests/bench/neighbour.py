"""A program: keeps one core busy until it is ended."""

import os


def main() -> None:
    """Spin on the first core that this process may use."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    while True:
        pass


if __name__ == "__main__":
    main()
