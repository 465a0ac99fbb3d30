"""The pages against the code: tables of the reference, commands, links and paths."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from results import columns as fields
from results import replays
from results.baselines import NAMES
from results.test_samples import TEST_SAMPLE_FIELDS
from search.cli.commands import app
from search.config.run_config import CONFIG_FILE, LOGGERS, resolve
from search.core.job import State
from search.watch.prometheus import GAUGES
from spaces.metrics import MEASURED
from spaces.parse_param import COMMON_FIELDS, RANGE_FIELDS
from spaces.parse_space import FIELDS, REQUIRED

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
COMMANDS = get_command(app).commands
CONFIG = yaml.safe_load(CONFIG_FILE.read_text())
BUDGETS = CONFIG["budgets"].values()

page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def rows(page: str, heading: str, first: str) -> dict[str, list[str]]:
    """The other cells of each row of a table, by the code in the first cell.

    It is the table under `heading` of a page of docs/ whose first column is called `first`.
    """
    text = (ROOT / "docs" / page).read_text()
    section = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.DOTALL | re.MULTILINE)
    assert section, heading
    table = re.search(rf"^\| {re.escape(first)} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", section[1], re.MULTILINE)
    assert table, first
    cells = [re.split(r"(?<!\\)\|", line.strip("|")) for line in table[1].splitlines()]
    return {name.strip().strip("`"): [cell.strip() for cell in more] for name, *more in cells}


def columns(fields: list) -> list[str]:
    return [name for name, _ in fields]


@pytest.mark.parametrize(
    ("page", "heading", "first", "names"),
    [
        ("reference.md", "Commands", "command", COMMANDS),
        ("reference.md", "Keys of config.yaml", "key", CONFIG),
        ("reference.md", "Fields of a space file", "field", FIELDS),
        (
            "reference.md",
            "Fields of a space file",
            "parameter field",
            [*RANGE_FIELDS, "choices", *COMMON_FIELDS],
        ),
        ("reference.md", "States of a trial", "state", [state.value for state in State]),
        (
            "reference.md",
            "Columns of trials.parquet",
            "column",
            [*columns(fields.TRIAL_FIELDS), "metric/NAME", "param/NAME"],
        ),
        ("reference.md", "Columns of rungs.parquet", "column", columns(fields.RUNG_FIELDS)),
        ("reference.md", "Columns of epochs", "column", columns(fields.EPOCH_FIELDS)),
        (
            "reference.md",
            "Columns of confirm.parquet",
            "column",
            [*columns(fields.CONFIRM_FIELDS), "metric/NAME", "param/NAME"],
        ),
        ("reference.md", "Columns of test_samples.parquet", "column", columns(TEST_SAMPLE_FIELDS)),
        ("reference.md", "Columns of replay.parquet", "column", columns(replays.REPLAY_FIELDS)),
        ("reference.md", "Measured metrics of the model", "metric", MEASURED),
        ("reference.md", "Keys of facts.json", "key", NAMES),
        ("live.md", "Gauges", "gauge", [f"ray_{name}" for name in GAUGES]),
        ("live.md", "Loggers", "`logger=`", [name for name in LOGGERS if name != "none"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_table_has_a_row_for_each_name_and_no_other(page, heading, first, names):
    assert sorted(rows(page, heading, first)) == sorted(names)


def test_documented_options_of_commands_are_those_of_the_commands():
    for name, (_, arguments) in rows("reference.md", "Commands", "command").items():
        options = {option for param in COMMANDS[name].params for option in param.opts if option[0] == "-"}
        assert set(re.findall(r"--[a-z]+", arguments)) == options - {"--help"}, name


def test_documented_defaults_are_those_of_the_configuration():
    for key, (default, _) in rows("reference.md", "Keys of config.yaml", "key").items():
        value = CONFIG[key]
        if key in next(iter(BUDGETS)):
            value = ", ".join(dict.fromkeys(str(budget[key]) for budget in BUDGETS))
        elif value is None or isinstance(value, bool | list):
            value = yaml.safe_dump(value, default_flow_style=True).splitlines()[0]
        assert key == "budgets" or default.strip("`") == str(value), key


def test_required_fields_of_a_space_are_marked():
    fields = rows("reference.md", "Fields of a space file", "field")
    assert {name for name, (required, _) in fields.items() if required} == set(REQUIRED)


def lines(text: str) -> list[str]:
    """The lines of all blocks of commands, with continued lines joined."""
    blocks = re.findall(r"^ *```(?:sh)?\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]


@page
def test_commands_can_be_parsed_and_their_keys_exist(page):
    for line in lines(page.read_text()):
        if not line.startswith("python -m search ") or "..." in line:
            continue
        name, *arguments = shlex.split(line, comments=True)[3:]
        COMMANDS[name].make_context(name, list(arguments))
        files = [word for word in arguments if word.startswith("space=") and word.endswith(".yaml")]
        if name in ("run", "check") and not files:
            resolve(arguments)


@page
def test_commands_in_sentences_exist(page):
    text = page.read_text()
    for name in re.findall(r"python -m search ([a-z_]+)", text):
        assert name in COMMANDS, name
    for name in re.findall(r"python -m benchmarks\.(\w+)", text):
        assert (ROOT / "benchmarks" / f"{name}.py").exists(), name
    for target in re.findall(r"\bmake ([a-z]+)[` ]", " ".join(re.findall(r"`make [^`]*`", text))):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target


@page
def test_relative_links_point_to_files(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not target.startswith(("http", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target


@page
def test_paths_in_backticks_exist(page):
    of_a_run = rows("reference.md", "Files of a run", "file")
    rooms = "search|trainables|results|spaces|tests|benchmarks|docs"
    for path in re.findall(rf"`((?:{rooms})/[^`\s]*)`", page.read_text()):
        if path not in of_a_run and "*" not in path and "NAME" not in path:
            assert (ROOT / path).exists(), path
