"""Fills a template into one HTML file that needs no other file and no network."""

import json
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from results import text
from results.report.charts import Figure

TEMPLATES = Path(__file__).parent / "templates"


def page(
    template: str, drawn: Sequence[Figure], table: Mapping[str, Any], whole: bool = True, **context: Any
) -> str:
    """The HTML of a template of `templates/`, with style, script, figures and the table of trials in it.

    `table` is a `trial_table`, `context` the variables of the template. A page that is not `whole` has no
    style and no script: its content replaces that of a page which has them.
    """
    files = {
        "style": "style.css",
        "script": "script.js",
        "echarts": "echarts.min.js",
        "live_script": "live.js",
    }
    data = {"figures": {figure.key: figure.option for figure in drawn}, "table": table}
    return str(
        templates()
        .get_template(template)
        .render(
            # Only `<` could end the script element.
            data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
            **{name: (TEMPLATES / file).read_text() if whole else "" for name, file in files.items()},
            **context,
        )
    )


@cache
def templates() -> Environment:
    """The templates. Everything that is not marked safe is escaped."""
    environment = Environment(
        loader=PackageLoader("results.report", "templates"),
        autoescape=select_autoescape(["html", "jinja"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": text.number, "duration": text.rounded_duration, "plain": text.plain}
    environment.filters |= {"mean": text.mean, "interval": text.interval, "rounded": text.rounded}
    return environment


def trial_table(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], metric: str, commands: Mapping[int, str]
) -> dict[str, Any]:
    """The table of trials for the page's script: `columns`, and `rows` of values in that order.

    `rows` are those of the trials table, `names` the parameters, `commands` by trial.
    """
    metrics = [name for name in (rows[0] if rows else ()) if name.startswith("metric/")]
    keys = [
        "trial",
        "state",
        "epochs",
        "objective",
        *metrics,
        "seconds",
        *(f"param/{name}" for name in names),
    ]
    titles = {"objective": metric}
    columns = [titles.get(key, key.partition("/")[2] or key) for key in keys]
    return {
        "columns": columns,
        "rows": [[json_value(row[key]) for key in keys] for row in rows],
        "errors": {row["trial"]: row["error"] for row in rows if row["error"]},
        "commands": dict(commands),
    }


def json_value(value: Any) -> Any:
    """A value for JSON: floats have six digits, to keep the page small; infinity and NaN become None."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
