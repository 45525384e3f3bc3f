"""`sentiment-worker`, and `python -m worker`."""

import os


def main() -> None:
    """Run the command line."""
    # numpy reads this when it is imported, so it is set before any other import. Engines have their own threads. The
    # threads of numpy's BLAS make loading a model no faster, and at a reload they take cores from the current model.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    from worker.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
