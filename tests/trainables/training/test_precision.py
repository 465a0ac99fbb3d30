"""Products in full precision; the settings are those of the process, also without a GPU."""

import pytest
import torch

from trainables.training.precision import without_tf32

CUDNN = torch.backends.cudnn


def settings():
    return CUDNN.conv.fp32_precision, CUDNN.rnn.fp32_precision, torch.backends.cuda.matmul.fp32_precision


def test_a_gpu_multiplies_in_full_precision_in_the_block():
    before = settings()
    with without_tf32(torch.device("cuda")):
        assert settings() == ("ieee", "ieee", "ieee")
    assert settings() == before
    assert CUDNN.allow_tf32, "PyTorch's older names can still be read"


def test_the_settings_come_back_after_an_error():
    before = settings()
    with pytest.raises(KeyError), without_tf32(torch.device("cuda")):
        raise KeyError
    assert settings() == before


def test_nothing_changes_on_a_cpu():
    before = settings()
    with without_tf32(torch.device("cpu")):
        assert settings() == before
