"""`sentiment-worker`, and `python -m worker`."""

import os


def main() -> None:
    """Run the command line."""
    # Read when numpy is imported, so before anything else is. Engines have threads of their own: those of numpy's BLAS
    # make reading a model no faster, and at a reload they take the cores from the model at work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from worker.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
