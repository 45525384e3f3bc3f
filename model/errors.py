"""The errors of this package; each leaf says what to do.

ModelError
├── ArtifactError      the artifact on disk is missing, damaged or unknown: do not start
├── EngineUnavailable  this engine is not available on this machine: choose another one
└── PredictorError
    ├── BatchFailed    this call failed, but a later or smaller one may succeed: isolate the row or retry
    └── EngineBroken   no later call on this engine can succeed: end the process or rebuild the engine
"""


class ModelError(Exception):
    """Base of all errors that this package raises."""


class ArtifactError(ModelError):
    """The artifact cannot be used; the message names the file, the problem and what to do."""


class EngineUnavailable(ModelError):
    """The engine is not installed, or the processor cannot run it; the message says which and what to do."""


class PredictorError(ModelError):
    """Base of the errors of `Predictor.predict`."""


class BatchFailed(PredictorError):
    """This batch could not be scored; the engine is still usable."""


class EngineBroken(PredictorError):
    """The engine can no longer score."""
