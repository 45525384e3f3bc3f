"""Why a demo can fail for reasons of its own; errors of the broker's launcher and of the adapter keep their types."""


class DemoFailed(Exception):
    """The run cannot be finished; the message says what happened, to what, and what to do."""
