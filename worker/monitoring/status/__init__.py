"""The status page: what an operator wants to know of this worker within five seconds. See docs/decisions/0017.

The loop feeds a `Recorder`; a request turns what it holds into a `StatusDocument`, and that into a page.
"""
