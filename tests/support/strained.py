"""`python -m tests.support.strained REQUEST_S REVIEW_S run`: a worker impatient with its broker, and slow at its work.

Its Kafka client waits REQUEST_S for an answer; its engine rests REVIEW_S for each review, and takes no processor.
"""

import sys
import threading
from collections.abc import Sequence
from typing import Final

from model.engines.engine import EnginePredictor
from model.predictor import Predictions, TokenizedText
from worker.broker.connection import Connection

STRAINED: Final = "tests.support.strained"
REQUEST_S: Final = 9.0  # instead of the 30 that it has
SLOW: Final = (STRAINED, "30", "0.002")  # for WorkerProcess, as the next two
IMPATIENT: Final = (STRAINED, str(REQUEST_S), "0")
SLOW_AND_IMPATIENT: Final = (STRAINED, str(REQUEST_S), "0.002")


def main() -> None:
    request_s, review_s = float(sys.argv.pop(1)), float(sys.argv.pop(1))
    *others, _ = Connection.__init__.__defaults__ or ()  # the last one is that of request_timeout_ms
    Connection.__init__.__defaults__ = (*others, round(request_s * 1000))
    predict = EnginePredictor.predict

    def slowly(predictor: EnginePredictor, rows: Sequence[TokenizedText]) -> Predictions:
        threading.Event().wait(review_s * len(rows))
        return predict(predictor, rows)

    EnginePredictor.predict = slowly  # type: ignore[method-assign, assignment]

    from worker.cli import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
