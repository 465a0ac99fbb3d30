"""The folder of a run: it belongs to one run, and what killed writers left goes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from search.config.run_config import resolve
from search.runs.folder import new_folder, sweep_run


def test_runs_that_begin_at_once_have_a_folder_each(tmp_path):
    config = resolve(["space=mnist_classifier", f"storage={tmp_path}/runs"])
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(new_folder, [config] * 40))
    assert sorted(int(folder.name.rpartition("-")[2]) for folder in folders) == list(range(1, 41))


def test_a_name_in_use_is_refused(tmp_path):
    config = replace(resolve(["space=mnist_classifier", f"storage={tmp_path}"]), name="first")
    assert new_folder(config) == tmp_path / "first"
    with pytest.raises(ValueError, match=r"there is a run 'first' .* resume first"):
        new_folder(config)


def test_what_killed_writers_left_is_swept(tmp_path):
    left = [
        "results/.trials.parquet.12",
        "checkpoints/a.safetensors.part0",
        "checkpoints/confirm/.b.safetensors.9",
    ]
    kept = ["config.yaml", "results/trials.parquet", "checkpoints/a.safetensors"]
    for name in left + kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    sweep_run(tmp_path)
    assert sorted(
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()
    ) == sorted(kept)
