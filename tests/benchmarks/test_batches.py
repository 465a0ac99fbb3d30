"""The benchmark of batches runs."""

from benchmarks import batches


def test_each_data_set_is_indexed(capsys):
    batches.main(items=130, images=70)
    assert len(capsys.readouterr().out.splitlines()) == 5
