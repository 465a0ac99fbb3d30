"""A worker that Ray ends for want of memory, in a real search. It takes up to 9 GB for a few seconds."""

import psutil
import pytest

from results import open_run
from tests.search.command import search
from tests.search.engines.heads import alone
from tests.tiny import SPACE

RAYS_OWN, NEED = 4e9, 9e9  # bytes: of Ray with two workers, and of all
SEEDS = "seeds: [{lr: 0.01, width: 2}, {lr: 0.01, width: 4}, {lr: 0.02, width: 2}]\n"


@pytest.mark.cluster
def test_a_trial_that_does_not_fit_in_memory_fails_and_the_search_goes_on(tmp_path):
    """Ray's limit is set a little above what the machine uses now."""
    memory = psutil.virtual_memory()
    if memory.available < NEED + 1e9:
        pytest.skip("too little memory is free")
    (tmp_path / "hungry.yaml").write_text(SPACE.format(net="HungryNet") + SEEDS)
    limit = (memory.total - memory.available + RAYS_OWN) / memory.total
    ran = search(
        *("run", f"space={tmp_path}/hungry.yaml", f"storage={tmp_path}", "name=r"),
        *("trials=3", "epochs=1", "lanes=1"),
        env=alone(RAY_memory_usage_threshold=f"{limit:.3f}"),
    )
    assert ran.returncode == 0, ran.stderr
    trials = {row["param/width"]: row for row in open_run(tmp_path / "r").trials.to_pylist()}
    assert trials[2]["state"] == "complete"
    assert trials[4]["state"] == "failed"
    assert trials[4]["error"].startswith("OutOfMemory: ")
    assert "Traceback" not in ran.stderr
