"""`sentiment-worker doctor`: what is wrong with a set-up, and what to do.

Checks are pure: a check gets facts and returns findings. `examination` gathers the facts, in an order in which the
cause comes before what it causes, and skips what cannot be seen any more.
"""
