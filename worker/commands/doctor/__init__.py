"""What is wrong with a set-up, and what to do: the `doctor` command.

Checks are pure functions from facts to findings. `examination` gathers the facts, causes before effects, and skips the
checks whose facts it cannot get. `report` prints the findings.
"""
