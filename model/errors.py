"""What can go wrong in the model room, as a tree; each leaf says what its catcher should do.

ModelError
├── ArtifactError      the artifact on disk is missing, damaged or not understood: do not start
├── EngineUnavailable  this engine cannot be had on this machine: take another one
└── PredictorError
    ├── BatchFailed    this call failed, a later or smaller one may succeed: isolate the row or retry
    └── EngineBroken   no later call on this engine can succeed: end the process or rebuild the engine
"""


class ModelError(Exception):
    """Base of every error that this room raises on purpose."""


class ArtifactError(ModelError):
    """The artifact cannot be used; the message names the file, what is wrong with it and what to do."""


class EngineUnavailable(ModelError):
    """The engine was not installed, or the processor cannot run it; the message says which and what to do."""


class PredictorError(ModelError):
    """Base of what `Predictor.predict` may raise."""


class BatchFailed(PredictorError):
    """This batch could not be scored; the engine is still usable."""


class EngineBroken(PredictorError):
    """The engine cannot score any more."""
