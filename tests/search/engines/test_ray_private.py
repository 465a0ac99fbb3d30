"""The names of Ray that are private or undocumented, which `ray_tune.py` uses: a change of Ray fails here."""

import inspect
from pathlib import Path

import pytest

SETTINGS = ("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "TUNE_DISABLE_SIGINT_HANDLER", "TUNE_MAX_PENDING_TRIALS_PG")


def test_the_title_of_a_process_can_be_set():
    import ray._raylet

    assert callable(ray._raylet.setproctitle), "see set_process_title in search/engines/ray_tune.py"


@pytest.mark.parametrize("name", SETTINGS)
def test_ray_still_reads_its_settings(name):
    import ray.air
    import ray.tune

    folders = [Path(next(iter(package.__path__))) for package in (ray.tune, ray.air)]
    sources = (path.read_text() for folder in folders for path in folder.rglob("*.py"))
    assert any(name in source for source in sources), f"Ray has no setting {name}: see ray_tune.py"


def test_a_searcher_may_have_no_job_now():
    """Tune takes None for "no job now" and FINISHED for "no more jobs"."""
    from ray.tune.search import Searcher, search_generator

    assert Searcher.FINISHED == "FINISHED"
    source = inspect.getsource(search_generator.SearchGenerator)
    assert "Searcher.FINISHED" in source
    assert "is None" in source
