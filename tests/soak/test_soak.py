"""The soak, cut to half a minute and a model that is quick: `make soak` does it for long, and judges memory too."""

from itertools import permutations
from pathlib import Path

import pytest

from deploy.kafka.broker import Broker
from tests.soak.load import records
from tests.soak.report import plot, summary, table
from tests.soak.run import everything_on, soak
from tests.soak.verdict import growths
from tests.support.collector import collector
from tests.support.stage import MakeStage, make_stage, tiny_artifact
from tests.support.traffic import WORDS

__all__ = ["make_stage", "tiny_artifact"]

pytestmark = pytest.mark.broker


def test_workers_that_stay_keep_their_threads_files_and_series_while_others_come_and_go(
    broker: Broker, make_stage: MakeStage, tiny_artifact: Path, tmp_path: Path
) -> None:
    texts = [" ".join(words) for words in permutations(WORDS, 3)]
    with collector() as traces:
        stage = make_stage(broker.address, **everything_on(tiny_artifact, traces))
        seen = soak(stage, records(texts, seed=1), duration_s=30, change_every_s=6, peak_per_s=300)
    assert seen.faults == []
    found = list(growths(seen.samples))
    assert [one for one in found if one.gauge != "memory_mib" and not one.allowed] == []
    assert "0 faults" in summary(seen)
    assert "open files" in table(found)
    plot(seen, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")
