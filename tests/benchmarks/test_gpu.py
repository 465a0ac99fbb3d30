"""The benchmark of a GPU runs, at tiny sizes on the CPU."""

import json

from benchmarks import gpu


def test_smallest_size(tmp_path, capsys):
    file = tmp_path / "gpu.json"
    gpu.main(["--device", "cpu", "--quick", "--json", str(file)])
    title, _, *lines = capsys.readouterr().out.splitlines()
    assert title.startswith("CPU, PyTorch ")
    assert [line.split("|")[1].strip() for line in lines] == ["", "---", "mlp", "cnn", "xception, 71 px"]
    assert len({line.count("|") for line in lines}) == 1
    found = json.loads(file.read_text())
    for row in found["rows"]:
        assert all(speed > 0 for speed in row["packs"].values())
        assert row["ratio"] == max(row["packs"].values()) / row["process"] > 0
