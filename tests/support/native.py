"""The native engine's kernel as the sources are now, whatever was compiled when the package was installed."""

import functools
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

import model.engines.native
from model.engines.native.binding import LEVELS, Kernel
from model.errors import EngineUnavailable

SOURCE: Final = Path(model.engines.native.__file__).with_name("kernel.cpp")
CALLED: Final = LEVELS[1:]

_compiled = TemporaryDirectory(prefix="sentiment-kernel-")  # removed when the interpreter ends


def compile_kernel(target: Path, *flags: str, source: Path = SOURCE) -> Path:
    """Compile with every warning an error. Skips the test where there is no compiler."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("there is no g++ to compile the native engine with")
    strict = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-fPIC", "-shared"]
    subprocess.run([compiler, *strict, *flags, str(source), "-o", str(target)], check=True, timeout=250)
    return target


@functools.cache
def kernel(level: str) -> Kernel:
    """The kernel at a level. Skips the test where the processor lacks it."""
    try:
        return Kernel(level, kernel_file())
    except EngineUnavailable as error:
        pytest.skip(str(error))


@functools.cache
def kernel_file() -> Path:
    """Where it was compiled to. Skips the test where there is no compiler."""
    return compile_kernel(Path(_compiled.name) / "kernel.so", "-O3")
