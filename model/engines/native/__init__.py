"""LSTM layers for x86-64 processors and a tokenizer, in C++: `kernel.cpp`, its weights, and its calls from Python.

`pip install` compiles the kernel where there is a C++ compiler, and installs without it where there is none.
"""
