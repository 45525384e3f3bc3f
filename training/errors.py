"""What can go wrong in the training room; every message says what happened, to what, and what to do.

TrainingError
├── DatasetError      a data file or a list is missing, damaged or does not fit the others
├── LeakError         a review that must stay out of training was about to enter a batch
├── CheckpointError   the output directory holds the run of another configuration, or a damaged one
├── OutputError       the output directory cannot be written
└── FetchError        the data set could not be downloaded, is not the published one, or cannot be read
"""


class TrainingError(Exception):
    """Base of every error that this room raises on purpose."""


class DatasetError(TrainingError):
    """A data file or list cannot be used; the message names the file and, where known, the line."""


class LeakError(TrainingError):
    """A held-out review reached the place where batches are formed: a bug in the splits, never survivable."""


class CheckpointError(TrainingError):
    """The run in the output directory cannot be continued; the message says why."""


class OutputError(TrainingError):
    """Something cannot be written; the message names it and says what was kept."""


class FetchError(TrainingError):
    """The published archive could not be obtained or converted; the message says what to do."""
