"""The slice regressor: its output, its initial weights, and refused arguments."""

import re

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from trainables.slices.xception import Pointwise, SliceRegressor, create_backbone, multiply_pointwise
from trainables.training.memory import keep_memory

pytestmark = pytest.mark.slow

MEAN, STD = torch.arange(9.0) * 50, torch.full((9,), 20.0)
SMALL = "resnet10t"


def regressor(seed=0, backbone=SMALL, **settings):
    torch.manual_seed(seed)
    return SliceRegressor(target_mean=MEAN, target_std=STD, voxel_um=25.0, backbone=backbone, **settings)


def batch(size=32, count=8):
    generator = torch.Generator().manual_seed(1)
    return (
        torch.rand(count, 1, size, size, generator=generator),
        MEAN + STD * torch.randn(count, 9, generator=generator),
    )


def equal(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def refused(**settings):
    """The message, one line, with which the settings are refused."""
    with pytest.raises(ValueError) as caught:
        regressor(**settings)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("backbone", ["legacy_xception", SMALL, "mobilenetv3_small_050"])
def test_nine_numbers_for_each_image(backbone):
    model = regressor(backbone=backbone).eval()
    images, planes = batch(count=3)
    prediction = model(images)
    assert prediction.shape == (3, 9)
    assert prediction.dtype == torch.float32
    assert model.losses((images, planes)).shape == (3,)
    metrics = model.metrics((images, planes))
    assert {name: value.shape for name, value in metrics.items()} == {"loss": (3,), "distance_um": (3,)}


def test_planes_are_standardised_by_the_training_set():
    model = regressor().eval()
    images, _ = batch()
    torch.testing.assert_close(model(images), model.standardised(images) * STD + MEAN)
    exact = model.metrics((images, model(images)))
    torch.testing.assert_close(exact["loss"], torch.zeros(8), atol=1e-6, rtol=0)
    torch.testing.assert_close(exact["distance_um"], torch.zeros(8), atol=1.0, rtol=0)


@pytest.mark.parametrize("mixed", [False, True])
def test_xception_overfits_a_batch(mixed):
    model = regressor(backbone="legacy_xception", lr=1e-3).to(memory_format=torch.channels_last)
    optimizer, images, losses = model.configure_optimizers(), batch(), []
    for _ in range(8):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = model.losses(images).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(torch.isfinite(torch.tensor(losses)))
    assert losses[-1] < 0.5 * losses[0]


def test_the_head_is_float32_under_autocast():
    model = regressor().eval()
    dtypes = []
    model.head[0].register_forward_hook(lambda module, inputs, output: dtypes.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        model(batch()[0])
    assert dtypes == [torch.float32]


def test_pointwise_is_the_same_convolution():
    torch.manual_seed(0)
    layers = nn.Conv2d(6, 5, 1), nn.Conv2d(5, 4, 1, stride=2), nn.Conv2d(4, 4, 1, groups=2)
    plain = nn.Sequential(*layers).double()
    names = list(plain.state_dict())
    images = torch.randn(2, 6, 7, 5, dtype=torch.double).contiguous(memory_format=torch.channels_last)
    expected = plain(images)
    expected.square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in plain.parameters()]
    plain.zero_grad()

    quick = multiply_pointwise(plain)
    assert [type(layer) for layer in quick] == [Pointwise, nn.Conv2d, nn.Conv2d]
    assert list(quick.state_dict()) == names
    result = quick(images)
    result.square().sum().backward()
    torch.testing.assert_close(result, expected)
    for parameter, gradient in zip(quick.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert quick[0](images).is_contiguous(memory_format=torch.channels_last)


def test_the_seed_alone_decides_the_first_parameters():
    model = regressor(seed=3)
    torch.rand(17)
    assert equal(model, regressor(seed=3))
    assert not equal(model, regressor(seed=4))


def test_the_head_has_the_configured_layers():
    plain = regressor(head_depth=0)
    deep = regressor(head_depth=2, head_width=32, dropout=0.5, activation="silu")
    assert [tuple(p.shape) for p in plain.head.parameters() if p.ndim == 2] == [(9, 512)]
    assert [tuple(p.shape) for p in deep.head.parameters() if p.ndim == 2] == [(32, 512), (32, 32), (9, 32)]
    assert [layer.p for layer in deep.head if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
    assert sum(isinstance(layer, nn.SiLU) for layer in deep.head) == 2
    assert "relu, gelu, silu" in refused(activation="tanh")


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights_from_a_file(tmp_path, suffix):
    torch.manual_seed(5)
    source = create_backbone(SMALL)
    path = tmp_path / f"weights{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(source.state_dict(), path)
    model = regressor(weights=str(path))
    assert equal(model.backbone, source)
    assert equal(model.head, regressor().head)  # not in the file: initialised by the seed


def test_weights_of_a_colour_classifier(tmp_path):
    source = timm.create_model(SMALL, num_classes=7)
    path = tmp_path / "imagenet.safetensors"
    save_file(source.state_dict(), path)
    model = regressor(weights=str(path))
    grey = model.backbone.state_dict()["conv1.0.weight"]
    torch.testing.assert_close(grey, source.state_dict()["conv1.0.weight"].sum(1, keepdim=True))


def test_unusable_weights_are_refused(tmp_path):
    missing = tmp_path / "none.safetensors"
    assert str(missing) in refused(weights=str(missing))
    for suffix in (".safetensors", ".pt"):
        broken = tmp_path / f"broken{suffix}"
        broken.write_bytes(b"not weights")
        assert str(broken) in refused(weights=str(broken))
    other = tmp_path / "other.safetensors"
    save_file(create_backbone("mobilenetv3_small_050").state_dict(), other)
    assert "another backbone" in refused(weights=str(other))
    assert "both" in refused(weights=str(other), pretrained=True)


def test_an_unknown_backbone_names_near_ones():
    assert "legacy_xception" in refused(backbone="legacy_xceptoin")
    assert "near" not in refused(backbone="@")


def test_without_a_connection_the_message_names_both_remedies(monkeypatch):
    create = timm.create_model

    def offline(name, pretrained=False, **settings):
        if pretrained:
            raise OSError("no route to host\nsecond line")
        return create(name, pretrained=pretrained, **settings)

    monkeypatch.setattr(timm, "create_model", offline)
    message = refused(pretrained=True)
    assert re.search(r"weights=PATH.*pretrained=false", message)


def test_pretrained_weights_leave_the_head_to_the_seed(monkeypatch):
    create, source = timm.create_model, create_backbone(SMALL)

    def hub(name, pretrained=False, **settings):
        model = create(name, pretrained=False, **settings)
        if pretrained:
            model.load_state_dict(source.state_dict())
        return model

    monkeypatch.setattr(timm, "create_model", hub)
    first = regressor(pretrained=True)
    second = regressor(pretrained=True)  # its weights come from the cache
    assert equal(first.backbone, source)
    assert equal(first, second)


def test_keep_memory_can_be_called_repeatedly():
    assert keep_memory() == keep_memory()
