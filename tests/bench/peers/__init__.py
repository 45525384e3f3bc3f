"""Others that do the worker's job, each in the best form that its documentation recommends: poll, score, publish.

Each is a program: `python -m tests.bench.peers.NAME --bootstrap-servers ... --reviews N` ends after N reviews.
"""
