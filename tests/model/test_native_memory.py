"""The kernel under the address and undefined-behaviour sanitizers: it uses only the memory that it is given."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.native import EMULATED_AMX, compile_kernel

COMPUTING = """
import sys
from pathlib import Path
import numpy as np
from model.engines.native.binding import LEVELS, PRECISIONS, Kernel
from model.engines.native_engine import NativeEngine
from tests.model.test_native_engine import CONFIGS, MAX_TOKENS, random_rows, random_weights

best = Kernel(path=Path(sys.argv[1]))
lengths = [*range(1, MAX_TOKENS + 1), *range(MAX_TOKENS, 0, -1)]
for level in LEVELS[1 : LEVELS.index(best.level) + 1]:
    for precision in PRECISIONS:
        for config in CONFIGS:
            kernel = Kernel(level, Path(sys.argv[1]))
            weights = random_weights(config)
            engine = NativeEngine(weights, max_tokens=MAX_TOKENS, precision=precision, threads=2, kernel=kernel)
            for count in (1, 7, len(lengths)):
                assert np.isfinite(engine.logits(random_rows(config, lengths[:count]))).all()
"""
READING = """
import sys
from pathlib import Path
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.model.test_tokenizing import TEXT, assert_equal, with_known

limits = st.integers(0, 4)

@given(texts=st.lists(TEXT, max_size=6), known=st.integers(0, 40), head=limits, tail=limits)
@settings(deadline=None, max_examples=1000, database=None)
def check(texts, known, head, tail):
    for each in (texts, *([text] for text in texts)):  # alone, what is behind a text is not the next one
        assert_equal(with_known(each, known, head, tail), each, Path(sys.argv[1]))

check()
"""


@pytest.fixture(scope="module")
def checked_kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kernel with the sanitizers in it."""
    sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover"]  # they do not see what AMX itself touches
    return compile_kernel(tmp_path_factory.mktemp("kernel") / "kernel.so", "-O1", "-g", *sanitizers, EMULATED_AMX)


@pytest.mark.parametrize("program", [COMPUTING, READING], ids=["engine", "tokenizer"])
def test_the_sanitizers_find_nothing(program: str, checked_kernel: Path) -> None:
    runtime = subprocess.run(
        [shutil.which("g++") or "g++", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True
    ).stdout.strip()
    if not Path(runtime).is_absolute():
        pytest.skip("g++ has no address sanitizer here")
    # Python itself keeps memory until its exit, which is not our leak.
    environment = os.environ | {
        "LD_PRELOAD": runtime,
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",  # else the sanitizer does not see small objects
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    subprocess.run([sys.executable, "-c", program, str(checked_kernel)], check=True, timeout=250, env=environment)
