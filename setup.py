"""The native engine's kernel, compiled where there is a C++ compiler; everything else is in pyproject.toml.

Without a compiler the rest is installed, and torch computes. What the processor has is found out at run time, so no
flag here depends on the machine that compiles.
"""

from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("model/engines/native")

setup(
    ext_modules=[
        Extension(
            "model.engines.native.kernel",
            [str(NATIVE / "kernel.cpp")],
            depends=[str(header) for header in NATIVE.glob("*.h")],
            language="c++",
            extra_compile_args=["-std=c++17", "-O3", "-g0", "-fvisibility=hidden"],
            optional=True,
        )
    ]
)
