"""A trained module as an ONNX file that computes the same. Needs the extra `onnx`."""

import warnings
from pathlib import Path

import lightning as L
import torch
from torch import Tensor

TOLERANCE = 1e-3  # of the largest output that ONNX Runtime's may differ by from PyTorch's


def export(module: L.LightningModule, inputs: Tensor, path: Path) -> float:
    """Writes the module's `forward` for batches of any size, and compares it with PyTorch on `inputs`.

    Returns the largest difference of an output, relative to the largest output. Raises ValueError if the
    packages are missing, the module can't be written so, or the outputs differ.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  what torch.onnx writes with
    except ImportError as error:
        raise ValueError(f"onnx=true needs the package {error.name}; install ladder-search[onnx]") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (inputs,),
                path,
                input_names=["input"],
                output_names=["output"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                external_data=False,
                dynamo=True,
                verbose=False,
            )
    except (torch.onnx.errors.OnnxExporterError, RuntimeError, TypeError) as error:
        first = str(error).strip().splitlines()[0]
        raise ValueError(f"{type(module).__name__} can't be written as ONNX: {first} (onnx=false)") from error
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    difference = 0.0
    for batch in (inputs, inputs[:1]):
        with torch.inference_mode():
            expected = module(batch)
        (found,) = session.run(["output"], {"input": batch.numpy()})
        error_ = (torch.from_numpy(found) - expected).abs().max() / expected.abs().max().clamp(min=1e-12)
        difference = max(difference, error_.item())
    if not difference <= TOLERANCE:
        raise ValueError(
            f"{type(module).__name__} as ONNX gives other outputs than PyTorch: they differ by "
            f"{difference:.2g} of the largest, but may by {TOLERANCE:g} (onnx=false)"
        )
    return difference
