"""The losses and gradients of all lanes of a group in one pass, as it is or compiled.

The pass is a function of tensors and of the template, so PyTorch's compiler takes it whole. Its guards see a
change of any attribute that a step reads. Compiled code serves other numbers of lanes, and later jobs of the
process.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, vmap

from trainables.training.packs.lane import Template
from trainables.training.packs.logged import Logged, Rule
from trainables.training.packs.stack import in_template
from trainables.training.packs.update import Gradients

Tensors = Mapping[str, Tensor]
Pass = Callable[..., tuple[Gradients, Logged]]
OPTIONS: dict[str, str | int | bool | Callable[..., Any]] = {
    "fallback_random": True,  # the random numbers of a step that is not compiled
    "compile_threads": 1,  # else a pool of processes stays, each with PyTorch in its memory
}


def gradient_pass(
    template: Template,
    batch: Any,
    index: int,
    accumulate: int,
    randomness: str,
    trained: Tensors,
    others: Tensors,
) -> tuple[Gradients, Logged]:
    """The gradients with respect to `trained`, and what the steps have logged, (lanes,) each.

    `trained` and `others` are the stacks of the parameters with gradients and of all other tensors. Raises
    any exception of a module or an operation that can't be batched.
    """
    rules: dict[str, Rule] = {}

    def loss(trained: Tensors, others: Tensors) -> tuple[Tensor, dict[str, Tensor]]:
        steps = (template.loss, batch, index)
        value, logged = functional_call(template, in_template({**trained, **others}), steps)
        rules.update(logged.rules)
        return value / accumulate, dict(logged.values)

    batched = vmap(grad_and_value(loss, has_aux=True), randomness=randomness)
    gradients, (_, values) = batched(trained, others)
    return gradients, Logged(values, rules)


@cache
def compiled_pass() -> Pass:
    """The compiled `gradient_pass`. It compiles when it is called, once for each kind of step."""
    return torch.compile(gradient_pass, fullgraph=True, dynamic=False, options=OPTIONS)


def without_compiling() -> AbstractContextManager[None]:
    """Context manager: a compiled pass raises RuntimeError if no code in the process fits."""
    return torch.compiler.set_stance("fail_on_recompile")


def for_any_number_of_lanes(stack: Iterable[Tensor]) -> None:
    """Lets code that is compiled for tensors of these lanes serve other numbers of lanes, if it can."""
    for tensor in stack:
        torch._dynamo.maybe_mark_dynamic(tensor, 0)
