"""The errors of training; every message says what happened, to what, and what to do.

TrainingError
├── DatasetError      a data file or list is missing, damaged or inconsistent with the others
├── LeakError         a held-out review was about to enter a training batch
├── CheckpointError   the output directory holds a run with another configuration, or a damaged one
├── OutputError       the output cannot be written
└── FetchError        the data set could not be downloaded, is not the published one, or cannot be read
"""


class TrainingError(Exception):
    """Base of all errors that this package raises."""


class DatasetError(TrainingError):
    """A data file or list cannot be used; the message names the file and, where known, the line."""


class LeakError(TrainingError):
    """A held-out review reached the place where batches are formed: a bug in the splits. Do not continue."""


class CheckpointError(TrainingError):
    """The run in the output directory cannot be continued; the message says why."""


class OutputError(TrainingError):
    """A file cannot be written; the message names it and says what to do."""


class FetchError(TrainingError):
    """The published archive could not be obtained or converted; the message says what to do."""
