"""Two workers under load, one of them killed again and again at any moment, the broker now and then.

`make chaos KILLS=100` does it for longer; a failure prints the seed, and SENTIMENT_TEST_SEED sets it.
"""

import os
import random
import time
from collections.abc import Callable
from functools import partial
from itertools import islice

import pytest

from deploy.kafka.broker import Broker
from tests.support.clients import SECOND_AT_NIGHT
from tests.support.kafka_io import new_topics
from tests.support.oracle import Kill, last_before_repeats
from tests.support.stage import SESSION_TIMEOUT_MS, UNCOMMITTED_S, MakeStage, Stage
from tests.support.traffic import reviews
from tests.support.worker_process import WorkerProcess

pytestmark = [pytest.mark.broker, pytest.mark.timeout(3 * 3600)]

KILLS = int(os.environ.get("SENTIMENT_TEST_KILLS", "5"))
SEED = int(os.environ.get("SENTIMENT_TEST_SEED", random.SystemRandom().randrange(10**6)))
KILLS_TO_A_BROKER_KILL = 5
NAMES = ("worker-0", "worker-1")
RETURN_LIMIT_S = 120.0
# Commits are refused while the group waits for one that was killed and is not back within its session.
MAY_REBALANCE_S = UNCOMMITTED_S + SESSION_TIMEOUT_MS / 1000


@pytest.mark.parametrize("client", SECOND_AT_NIGHT)
@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
def test_kills_at_any_moment_lose_nothing_and_repeat_only_what_is_allowed(
    own_broker: Broker,
    make_stage: MakeStage,
    delivery: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Exactly once: nothing. At least once: results since the last commit, or during a rebalance."""
    rng = random.Random(SEED)
    stage = make_stage(own_broker.address, new_topics(own_broker.address), delivery=delivery)
    backlog = reviews(seed=SEED)
    workers = {name: started(stage, name) for name in NAMES}
    killed, uncommitted_s = list[Kill](), MAY_REBALANCE_S
    stage.traffic.send(islice(backlog, 100))
    for number in range(1, KILLS + 1):
        goal = stage.traffic.answered() + rng.randint(1, 300)
        stage.traffic.load_until(partial(reached, stage, goal), backlog, f"{goal} results", most=10**9)
        victim = rng.choice(NAMES)
        killed.append(stage.kill(workers[victim], uncommitted_s=uncommitted_s))
        uncommitted_s = MAY_REBALANCE_S
        if number % KILLS_TO_A_BROKER_KILL == 0:
            killed.append(killed[-1]._replace(committed=stage.committed(), at_s=time.monotonic()))
            survivor = next(name for name in NAMES if name != victim)
            workers[survivor].until_ready()  # one that finds no broker when it starts ends with status 3
            own_broker.kill()
            own_broker.start()
            uncommitted_s = RETURN_LIMIT_S  # results may come before it takes commits again
        workers[victim] = started(stage, victim)
    stage.traffic.until_answered(limit_s=RETURN_LIMIT_S)
    for worker in workers.values():
        worker.until_ready()  # before it is, SIGTERM may find a process without a handler
    assert [worker.stop() for worker in workers.values()] == [0, 0]
    # What had results before the last kill may still have to be read again.
    assert stage.start(until_empty=True).exit_status(limit_s=60) == 0
    record_property("reviews", len(stage.traffic.inputs))
    record_property("results", len(stage.traffic.results))
    ages_s = [kill.at_s - first.seen_s for first, kill in last_before_repeats(stage.history(), killed)]
    record_property("oldest repeated", f"{max(ages_s, default=0):.1f} s before the kill")
    record_property("kills", f"{KILLS} of workers, {KILLS // KILLS_TO_A_BROKER_KILL} of the broker")
    assert stage.faults(begun_again=killed if delivery == "at_least_once" else []) == [], f"seed {SEED}"


def reached(stage: Stage, goal: int) -> bool:
    return stage.traffic.answered() >= goal


def started(stage: Stage, name: str) -> WorkerProcess:
    """A worker with a name of its own: after its death nobody waits for its session to end."""
    return stage.start(group_instance_id=name)
