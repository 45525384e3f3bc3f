"""The status page: what this worker does now, at a glance. See docs/decisions/0017.

The loop records in a `Recorder`. A request turns what it holds into a `StatusDocument`, and that into a page.
"""
