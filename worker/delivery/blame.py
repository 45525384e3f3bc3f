"""What the broker said of one message, as what the loop must do about it."""

import logging
from collections.abc import Iterable

from worker.broker.contract import Receipt
from worker.delivery.outcomes import Outcome
from worker.errors import (
    AccessDenied,
    BrokerRefused,
    DeadLetterRefused,
    DeliveryFailed,
    WorkerError,
)

log = logging.getLogger(__name__)


def worst_failure(in_flight: Iterable[tuple[Outcome, Receipt]]) -> tuple[Outcome, WorkerError]:
    """What came with a refused message fails as not delivered, even what was sent before it: the refusal tells more."""
    failures = [(outcome, receipt.error) for outcome, receipt in in_flight if receipt.error is not None]
    return min(failures, key=lambda failure: isinstance(failure[1], DeliveryFailed))


def blame(outcome: Outcome, error: WorkerError) -> WorkerError:
    """Turn what the broker said of one message into what the loop must do."""
    if not isinstance(error, BrokerRefused | AccessDenied):
        return error
    topic, partition = outcome.record.partition
    where = f"record {topic}-{partition}-{outcome.record.offset}"
    if outcome.dead_because is not None:
        return DeadLetterRefused(
            f"the dead letter of {where} could not be stored in {outcome.message.topic}: {error}. "
            "Mend that topic (size limit, permissions) and start the worker again; nothing was lost"
        )
    return type(error)(f"the result of {where} could not be stored: {error}")
