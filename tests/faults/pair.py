"""Both deliveries at once, on one broker and under one fault: for faults that take their time."""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple, Self

from tests.support.kafka_io import Message, new_topics
from tests.support.oracle import Offsets
from tests.support.stage import MakeStage, Stage
from tests.support.until import until
from tests.support.worker_process import WorkerProcess

RETURN_LIMIT_S = 120.0
TAKEN = "took 4 partitions away"  # what a worker says when its session or its poll interval was over


class Pair(NamedTuple):
    """A stage for each delivery, each with a worker and topics of its own: at least once, exactly once."""

    stages: tuple[Stage, Stage]
    workers: tuple[WorkerProcess, WorkerProcess]

    @classmethod
    def started(cls, make_stage: MakeStage, address: str, *module: str, **settings: object) -> Self:
        """Both ready, nothing sent yet; `module`: see WorkerProcess."""

        def made(delivery: str) -> Stage:
            return make_stage(address, new_topics(address), delivery=delivery, **settings)

        stages = made("at_least_once"), made("exactly_once")
        first, second = (stage.start(*module) for stage in stages)
        return cls(stages, (first.until_ready(), second.until_ready()))

    def load(self, messages: Iterator[Message], answered: int) -> None:
        """Keep both busy until each has answered so many more."""
        for stage in self.stages:
            goal = stage.traffic.answered() + answered
            stage.traffic.load_until(partial(_reached, stage, goal), messages, f"{goal} results", most=10**9)

    def interrupted(self, messages: Iterator[Message], count: int) -> Offsets:
        """Give both so much that they are in the middle of it; what is committed at least once."""
        for stage in self.stages:
            stage.traffic.send(islice(messages, count))
        for stage in self.stages:
            stage.traffic.until_answered(len(stage.traffic.inputs) - count + 100)
        return self.stages[0].committed()

    def until_answered(self) -> None:
        """Wait until both have answered all."""
        for stage in self.stages:
            stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)

    def alive(self) -> bool:
        """Whether neither has ended nor wants to be started again."""
        return all(worker.get("/livez")[0] == 200 for worker in self.workers)

    def finish(self, *, since: Offsets | None = None) -> list[str]:
        """Let both answer all, and stop: what is wrong.

        With `since`, what was committed before the first fault, the one at least once may repeat what came after it, as
        often as it says that it began again; else nothing.
        """
        self.until_answered()
        for stage in self.stages:  # one that lost its partitions has to read again what it had not committed
            until(stage.all_committed, RETURN_LIMIT_S, "all is committed")
        worker, at_least, exactly = self.workers[0], *self.stages
        begun_again = int(worker.metric("sentiment_replays_total")) + worker.log().count(TAKEN)
        assert [worker.stop() for worker in self.workers] == [0, 0]
        explained = [] if since is None else [since] * begun_again
        return at_least.faults(begun_again=explained) + exactly.faults()


def _reached(stage: Stage, goal: int) -> bool:
    return stage.traffic.answered() >= goal
