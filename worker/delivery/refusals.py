"""What the loop must do after the broker failed to store a message."""

from collections.abc import Iterable

from worker.broker.contract import Receipt
from worker.delivery.outcomes import Outcome
from worker.errors import AccessDenied, BrokerRefused, DeadLetterRefused, DeliveryFailed, WorkerError


def error_to_raise(in_flight: Iterable[tuple[Outcome, Receipt]]) -> WorkerError:
    """Return the error of a message, at least one of which failed. A refusal names its record.

    When the broker refuses a message, messages sent with it fail too, as not delivered. Only the refusal has the cause.
    A refused dead letter is DeadLetterRefused.
    """
    failures = [(outcome, receipt.error) for outcome, receipt in in_flight if receipt.error is not None]
    outcome, error = min(failures, key=lambda failure: isinstance(failure[1], DeliveryFailed))
    if not isinstance(error, BrokerRefused | AccessDenied):
        return error
    topic, partition = outcome.record.partition
    where = f"record {topic}-{partition}-{outcome.record.offset}"
    if outcome.dead_because is not None:
        return DeadLetterRefused(
            f"the dead letter of {where} could not be stored in {outcome.message.topic}: {error}. "
            "Fix that topic (size limit, permissions) and restart the worker; nothing was lost"
        )
    return type(error)(f"the result of {where} could not be stored: {error}")
