"""The memory of an engine must not grow in months of use."""

import subprocess
import sys

import pytest

SHAPES = 250
GROWTH_MIB = 40  # it was 201 when the code of every shape was kept, and is 3
PROGRAM = f"""
import sys
from pathlib import Path
import numpy as np
from model.artifacts import DEFAULT_ARTIFACT
from model.engines import load_predictor
from model.predictor import TokenizedText

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

predictor = load_predictor(DEFAULT_ARTIFACT, engine=sys.argv[1], device="cpu", threads=1)
predictor.warm_up()
before = resident_mib()
for length in range(60, 60 + {SHAPES}):
    predictor.predict([TokenizedText(np.ones(length, np.int32), 0, truncated=False)] * 20)
print(resident_mib() - before)
"""


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_reviews_of_new_lengths_do_not_make_the_engine_grow(engine: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, engine], check=True, timeout=120, capture_output=True, text=True
    )
    assert float(run.stdout) < GROWTH_MIB
