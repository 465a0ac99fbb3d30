"""Fixtures that several tests share."""

import atexit
import gc
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else hundreds of processes compile all modules again
from results.store import Run, open_run
from search.config.run_config import RunConfig, resolve
from search.core.queue import Plan, Queue
from search.core.rungs import milestones
from search.core.study import Study
from search.runs.folder import write_config
from spaces.params import Choice, Range
from spaces.space import Objective, Space

# The background job of a shell ignores Ctrl-C, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
DATA = Path(__file__).parents[1].parent / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that no worker is left alone with a long one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Exempts the modules from garbage collection: each job collects, for a quarter of a second with them.

    Ladder's own processes do so too (`importing` in trainables/training/memory.py).
    """
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)


@pytest.fixture
def shared_data() -> Path:
    """The folder of real images; skips where there is none."""
    if not DATA.is_dir():
        pytest.skip(f"the real data is not at {DATA.name}")
    return DATA


@pytest.fixture
def formula_space() -> Space:
    """A space for tests/formula.py."""
    return Space(
        name="formula",
        about="",
        trainable="tests.formula:Formula",
        data="tests.formula:Formula",
        objective=Objective("val/f", "min"),
        params={"x": Range(0.0, 1.0), "kind": Choice(("a", "b"))},
        structure=("kind",),
    )


@pytest.fixture
def make_queue(formula_space: Space, tmp_path: Path) -> Callable[..., Queue]:
    """`make_queue(trials=9, ...)`: a queue on a journal in the test's own folder; again on the same one."""

    def make(
        trials: int = 9, epochs: int = 9, eta: int = 3, seed: int = 0, sampler: str = "tpe", **more: object
    ) -> Queue:
        rungs = milestones(1, eta, epochs)
        space = more.pop("space", formula_space)
        study = Study(tmp_path / f"{more.pop('name', 'study')}.log", space, rungs)  # type: ignore[arg-type]
        return Queue(space, Plan(trials, rungs, eta, seed, sampler, **more), study)  # type: ignore[arg-type]

    return make


@pytest.fixture
def run(
    make_queue: Callable[..., Queue], tmp_path: Path, formula_space: Space
) -> tuple[Queue, Run, RunConfig]:
    """A queue of `make_queue`, the run whose folder has its journal, and the configuration of the run."""
    config = replace(resolve(["trials=9", "epochs=9", "grace=1", "eta=3"]), space=formula_space)
    write_config(tmp_path, config)
    return make_queue(), open_run(tmp_path), config


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """HOST:PORT of an S3 server on this machine."""
    from moto.server import ThreadedMotoServer  # here, for it loads a web server

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"{host}:{port}"
    server.stop()


BUCKETS = count()


@pytest.fixture
def s3(s3_server: str, caches: Callable[[str], None]) -> str:
    """The URI of a storage in a new bucket."""
    return (
        f"s3://bucket-{next(BUCKETS)}/x?endpoint_override={s3_server}&scheme=http&allow_bucket_creation=true"
    )


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """`caches("other")`: another cache folder, as on another machine. The first one is "here"."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_REGION", "us-east-1")

    def change(name: str) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))

    change("here")
    return change
