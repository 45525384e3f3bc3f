"""LSTM layers in C++, for x86-64 processors: `kernel.cpp`, the packing of weights for it, and the call from Python.

`pip install` compiles the kernel where there is a C++ compiler, and goes on without it where there is none.
"""
