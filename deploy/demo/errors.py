"""The demo's own error; errors of the broker launcher and of the worker keep their types."""


class DemoFailed(Exception):
    """The demo cannot be finished; the message says what happened, to what, and what to do."""
