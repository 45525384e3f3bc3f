"""Every error the worker raises on purpose, as a tree. The class says what the loop does about it.

WorkerError
├── UnreadableReview       one record is not a review             -> dead letter, go on
├── BrokerUnavailable      the broker did not answer in time      -> keep the work, try again later
├── AssignmentLost         the group moved on without us          -> drop work of partitions we no longer own
├── DeliveryFailed         a result was not stored                -> rewind to the committed offsets, replay
├── ReloadFailed           another model cannot be served         -> the present one goes on
├── Fenced                 our transactional id is taken          -> replay if we were late, else exit
└── Fatal                  going on would lose or corrupt         -> one clear line, exit with `exit_code`
    ├── SettingsRejected   2  a setting is wrong
    ├── BrokerUnreachable  3  no broker answered at start
    ├── TopicMissing       4
    ├── AccessDenied       5  authentication or authorization
    ├── ModelUnusable      6  artifact missing, corrupt, or the engine broke
    ├── PortInUse          7
    ├── DeadLetterRefused  8  a dead letter could not be stored: stopping is better than losing it
    ├── BrokerRefused      9  any other answer that no retry can change
    ├── TooManyDeadLetters 10 the producer or the model is broken: stopping is better than moving the topic
    └── ChecksFailed       11 `doctor` found what keeps a worker from its work

Anything that is not a WorkerError is a bug or an unknown: it ends the process with a traceback and status 1.
"""

from typing import ClassVar


class WorkerError(Exception):
    """Base of every error below."""


class UnreadableReview(WorkerError):
    """One record cannot be read as a review; `reason` is a bounded code, the message is for people."""

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
    """The broker takes nothing more under our transactional id: it gave up on us, or another producer has it."""


class ReloadFailed(WorkerError):
    """The model that was to take the present one's place cannot be served."""


class Fatal(WorkerError):
    """The process must end; `exit_code` tells scripts why."""

    exit_code: ClassVar[int] = 1


class SettingsRejected(Fatal):
    """A setting is unknown, malformed, out of range, or contradicts another."""

    exit_code = 2


class BrokerUnreachable(Fatal):
    """No bootstrap server answered at start."""

    exit_code = 3


class TopicMissing(Fatal):
    """A topic the worker needs does not exist."""

    exit_code = 4


class AccessDenied(Fatal):
    """The broker refused the credentials or the operation."""

    exit_code = 5


class ModelUnusable(Fatal):
    """The model artifact cannot be served, or its engine broke."""

    exit_code = 6


class PortInUse(Fatal):
    """The HTTP address is taken or not ours."""

    exit_code = 7


class DeadLetterRefused(Fatal):
    """The dead-letter topic did not take a record."""

    exit_code = 8


class BrokerRefused(Fatal):
    """The broker refused in a way that no retry changes (fenced, too large, unsupported)."""

    exit_code = 9


class TooManyDeadLetters(Fatal):
    """More dead letters in a minute than allowed: the input or the model is broken."""

    exit_code = 10


class ChecksFailed(Fatal):
    """`doctor` found something that does not work."""

    exit_code = 11
