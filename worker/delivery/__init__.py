"""From a result to a committed offset: what may leave, what may be committed, what stops the worker."""
