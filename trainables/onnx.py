"""Export of a trained module to ONNX, compared with PyTorch. Needs the extra `onnx`."""

import warnings
from pathlib import Path

import lightning as L
import torch
from torch import Tensor

TOLERANCE = 1e-3  # largest difference from PyTorch's outputs, relative to the largest output


def export(module: L.LightningModule, inputs: Tensor, path: Path) -> float:
    """Writes `forward` for batches of any size, and compares it in ONNX Runtime with PyTorch on `inputs`.

    Returns the largest difference of an output, relative to the largest output. Raises ValueError if the
    packages are missing, PyTorch can't export the module, or the outputs differ by more than TOLERANCE.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401  torch.onnx needs it
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
    largest = 0.0
    for batch in (inputs, inputs[:1]):
        with torch.inference_mode():
            expected = module(batch)
        (output,) = session.run(["output"], {"input": batch.numpy()})
        difference = (torch.from_numpy(output) - expected).abs().max() / expected.abs().max().clamp(min=1e-12)
        largest = max(largest, difference.item())
    if not largest <= TOLERANCE:
        raise ValueError(
            f"{type(module).__name__} as ONNX gives other outputs than PyTorch: they differ by {largest:.2g} "
            f"of the largest output, but may by at most {TOLERANCE:g} (onnx=false)"
        )
    return largest
