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
EMULATED_AMX: Final = f'-DEMULATED_AMX="{Path(__file__).with_name("emulated_tiles.h")}"'

_compiled = TemporaryDirectory(prefix="sentiment-kernel-")  # removed when the interpreter ends


def compile_kernel(target: Path, *flags: str, source: Path = SOURCE, compiler: str = "g++") -> Path:
    """Compile with every warning an error. Skips the test where there is no such compiler."""
    if shutil.which(compiler) is None:
        pytest.skip(f"there is no {compiler} to compile the native engine with")
    strict = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-fPIC", "-shared"]
    subprocess.run([compiler, *strict, *flags, str(source), "-o", str(target)], check=True, timeout=250)
    return target


@functools.cache
def kernel(level: str, compiler: str = "g++") -> Kernel:
    """The kernel at a level; AMX is emulated where there is only AVX-512. Skips the test where it cannot be had."""
    try:
        real = Kernel(path=kernel_file(compiler))
        emulated = level == "amx" and real.level == "avx512"
        return Kernel(level, kernel_file(compiler, emulated=emulated))
    except EngineUnavailable as error:
        pytest.skip(str(error))


@functools.cache
def kernel_file(compiler: str = "g++", *, emulated: bool = False) -> Path:
    """Where it was compiled to, with AMX or with it emulated. Skips the test where there is no such compiler."""
    target = Path(_compiled.name) / f"{compiler}{'-emulated' if emulated else ''}.so"
    return compile_kernel(target, "-O3", *([EMULATED_AMX] if emulated else []), compiler=compiler)
