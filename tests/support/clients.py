"""Which client libraries a test is made with: `pytest.mark.parametrize("client", SECOND_AT_NIGHT)`."""

from typing import Final

import pytest

SECOND_AT_NIGHT: Final = ["kafka-python", pytest.param("confluent", marks=pytest.mark.nightly)]
