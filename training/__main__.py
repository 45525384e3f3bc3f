"""`python -m training`: see `training.cli`."""

import sys

_EXTRA = ("matplotlib", "scipy", "sklearn")  # what the package's extra `training` brings


def main() -> None:
    """Run the command line. Loading it takes seconds; Ctrl-C meanwhile also gives one line and status 130."""
    try:
        from training.cli import cli

        cli.main(prog_name="python -m training")
    except KeyboardInterrupt:
        _end("interrupted: the same command continues", 130)
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in _EXTRA:
            raise
        _end(f"error: {error.name} is not installed: training needs `pip install 'sentiment-worker[training]'`", 1)


def _end(message: str, status: int) -> None:
    sys.stderr.write(message + "\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
