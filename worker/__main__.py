"""`python -m worker` is `sentiment-worker`."""

from worker.cli import main

if __name__ == "__main__":
    main()
