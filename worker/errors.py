"""Every error that the worker raises on purpose. The class decides what the loop does.

WorkerError
├── UnreadableReview       one record is not a review             -> dead letter, go on
├── BrokerUnavailable      the broker did not answer in time      -> keep the work, try again later
├── AssignmentLost         the group rebalanced                   -> drop work of partitions we no longer own
├── DeliveryFailed         a result was not stored                -> rewind to the committed offsets, replay
├── ReloadFailed           a new model cannot be loaded           -> keep the current one
├── Fenced                 our transactional id is refused        -> replay if our transaction expired, else exit
└── Fatal                  going on would lose or corrupt data    -> print one line, exit with `exit_code`
    ├── SettingsRejected   2  a setting is wrong
    ├── BrokerUnreachable  3  no broker answered at start
    ├── TopicMissing       4
    ├── AccessDenied       5  authentication or authorization
    ├── ModelUnusable      6  artifact missing, corrupt, or the engine broke
    ├── PortInUse          7
    ├── DeadLetterRefused  8  a dead letter could not be stored: stopping is better than losing it
    ├── BrokerRefused      9  any other refusal that no retry can change
    ├── TooManyDeadLetters 10 the producer or the model is broken: stopping is better than emptying the topic
    └── ChecksFailed       11 `doctor` found a problem

Any other exception is a bug. It ends the process with a traceback and exit status 1.
"""

from typing import ClassVar


class WorkerError(Exception):
    """Base of every error below."""


class UnreadableReview(WorkerError):
    """A record is not a review. `reason` is one of a few codes; the message is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class BrokerUnavailable(WorkerError):
    """The broker did not answer in time; nothing is known to be lost."""


class AssignmentLost(WorkerError):
    """The consumer group rebalanced before this call reached the coordinator."""


class DeliveryFailed(WorkerError):
    """The broker did not store a message; its offset must not be committed."""


class Fenced(WorkerError):
    """The broker refuses our transactional id: our transaction expired, or another producer has the id."""


class ReloadFailed(WorkerError):
    """A requested model cannot be loaded."""


class Fatal(WorkerError):
    """The process must end. Scripts see the reason in `exit_code`."""

    exit_code: ClassVar[int] = 1

    def __init_subclass__(cls, *, exit_code: int) -> None:
        cls.exit_code = exit_code


class SettingsRejected(Fatal, exit_code=2):
    """A setting is unknown, malformed, out of range, or contradicts another."""


class BrokerUnreachable(Fatal, exit_code=3):
    """No bootstrap server answered at start."""


class TopicMissing(Fatal, exit_code=4):
    """A topic the worker needs does not exist."""


class AccessDenied(Fatal, exit_code=5):
    """The broker refused the credentials or the operation."""


class ModelUnusable(Fatal, exit_code=6):
    """The model artifact cannot be served, or its engine broke."""


class PortInUse(Fatal, exit_code=7):
    """The HTTP port is in use, or the address does not belong to this machine."""


class DeadLetterRefused(Fatal, exit_code=8):
    """The dead-letter topic did not take a record."""


class BrokerRefused(Fatal, exit_code=9):
    """The broker refused a request, and no retry can help (fenced, too large, unsupported)."""


class TooManyDeadLetters(Fatal, exit_code=10):
    """More dead letters in a minute than allowed: the input or the model is broken."""


class ChecksFailed(Fatal, exit_code=11):
    """`doctor` found something that does not work."""
