"""Reads `config.yaml`, the configuration in the folder of a run, as plain data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from results.damage import DamagedFile
from results.safe_yaml import read_fields

ADVICE = "nothing else has the settings of the run; restore it from a copy"


def read_config_file(run: Path) -> Mapping[str, Any]:
    """The content of a run's config.yaml.

    Raises ValueError if there is none, or it can't be read.
    """
    file = run / "config.yaml"
    try:
        return read_fields(file)
    except FileNotFoundError as error:
        raise ValueError(f"{run} is not a run: it has no config.yaml (python -m search list)") from error
    except (OSError, ValueError) as error:
        raise DamagedFile(file, error, ADVICE) from error
