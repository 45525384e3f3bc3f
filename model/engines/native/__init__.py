"""LSTM layers for x86-64 processors and a tokenizer, in C++: `kernel.cpp`, the weights for it, the call from Python.

`pip install` compiles the kernel where there is a C++ compiler, and goes on without it where there is none.
"""
