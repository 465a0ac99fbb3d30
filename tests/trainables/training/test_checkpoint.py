"""A damaged checkpoint is one line that names its file."""

import pytest
import torch

from tests.fuzz.files_of_models import learner, pack
from trainables.training import checkpoint
from trainables.training.single import from_state


@pytest.mark.parametrize("content", [b"", b"PAR1", None, "missing"])
def test_a_torn_checkpoint_is_named(tmp_path, content):
    path = pack(tmp_path)
    if content == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    for read in (
        lambda: checkpoint.lanes(path),
        lambda: checkpoint.lane(path, 0),
        lambda: checkpoint.weights(path, 0),
        lambda: checkpoint.restore(*learner(), path, 0),
    ):
        with pytest.raises(
            ValueError, match=f"the checkpoint {path} can't be read: .*missing or damaged"
        ) as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_module_is_named(tmp_path):
    path, (module, optimizer) = pack(tmp_path), learner()
    module[2] = torch.nn.Linear(4, 2)
    with pytest.raises(ValueError, match=rf"{path} has 2.weight of \(1, 4\), not \(2, 4\)"):
        checkpoint.restore(module, optimizer, path, 0)
    module.append(torch.nn.Linear(2, 2))
    module[2] = torch.nn.Linear(4, 1)
    with pytest.raises(ValueError, match=r"missing or damaged .*model/3.weight"):
        checkpoint.restore(module, optimizer, path, 0)


def test_what_lightning_stored_must_be_whole():
    for rest in (b"", b"{", b"[]", b'{"a": {"tensor": 3}}', b'{"a": {"b": 3}}', b'{"a": 3}'):
        state = {"rest": torch.frombuffer(bytearray(rest or b" "), dtype=torch.uint8)}
        with pytest.raises(ValueError, match="the checkpoint is damaged"):
            from_state(state)
    with pytest.raises(ValueError, match="the checkpoint is damaged"):
        from_state({})
