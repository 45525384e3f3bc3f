"""Which client libraries a test of the worker, or of an adapter, is made with."""

from typing import Final

import pytest

SECOND_AT_NIGHT: Final = ["kafka-python", pytest.param("confluent", marks=pytest.mark.nightly)]
