"""All samplers by the name that `sampler=NAME` takes. A new one needs its file and a line here."""

from search.core.samplers.base import Sampler
from search.core.samplers.cmaes import Cmaes
from search.core.samplers.gp import Gp
from search.core.samplers.qmc import Qmc
from search.core.samplers.random import Random
from search.core.samplers.tpe import Tpe

SAMPLERS: dict[str, type[Sampler]] = {
    "tpe": Tpe,
    "random": Random,
    "gp": Gp,
    "qmc": Qmc,
    "cmaes": Cmaes,
}
