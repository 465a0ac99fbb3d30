"""The commands of `python -m search`. Each imports its modules when it is called."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from search.cli.exit_codes import FAILED, WRONG_INPUT, end_run, user_errors
from search.cli.options import AsJson, Name, Options, Overrides, Storage, options_of, storage_of
from search.cli.replay import replay
from search.cli.resume import resume
from search.cli.stop import stop
from search.cli.try_configuration import try_configuration

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Search hyperparameters of PyTorch Lightning models.\n\n"
    "Begin with: `python -m search run space=slice_reg`",
)


@app.command()
@user_errors
def run(overrides: Overrides = None) -> None:
    """Search a space.

    Example: `python -m search run space=slice_reg name=first trials=20 param.lr.high=0.1`

    Keys are those of search/config/config.yaml, `data=SOURCE`, `data.OPTION=...`, the space's settings, and
    `param.NAME=...`: a value fixes it, a list `[a,b]` gives choices, `.low=` and `.high=` move its ends,
    `.step=` sets the distance of its values.
    """
    from search.after.report_process import ReportProcess
    from search.config.run_config import resolve
    from search.runs.run import start

    config = resolve(overrides or [])
    with ReportProcess(config.space.gallery) as report:
        end_run(start(config, report.begin), report)


app.command()(user_errors(resume))
app.command()(user_errors(stop))
app.command("try")(user_errors(try_configuration))


@app.command()
@user_errors
def show(name: Name, storage: Storage = None, as_json: AsJson = False) -> None:
    """Show the results of a run.

    Example: `python -m search show first --json`
    """
    from search.cli.tables import print_run, summary
    from search.runs.find import find

    run = find(name, storage_of(storage))
    if as_json:
        print(json.dumps(summary(run), indent=2))
    else:
        print_run(run)


@app.command()
@user_errors
def confirm(name: Name, options: Options = None, as_json: AsJson = False) -> None:
    """Confirm the best trials of a run on new seeds and the test split.

    Example: `python -m search confirm first top=3 seeds=5`

    Retrains the best trials and the space's default configuration. Trainings that are confirmed already are
    not repeated.
    """
    from results.store import open_run
    from search.after.report_process import ReportProcess
    from search.runs.find import find
    from search.runs.run import confirm as confirm_run
    from spaces.validation import PositiveInt, check_value

    values = options_of(options, storage="runs", top=None, seeds=None)
    sizes = {
        key: check_value(PositiveInt, key, values[key]) for key in ("top", "seeds") if values[key] is not None
    }
    found = find(name, str(values["storage"]))
    folder = found.path
    again = shlex.join(["confirm", name, *(options or [])])
    with ReportProcess(found.config.get("gallery")) as report:
        end_run(confirm_run(folder, report.begin, **sizes), report, as_json, again)
    confirmation = open_run(folder).confirmation
    if confirmation is None or confirmation.winner is None:
        raise typer.Exit(FAILED)


@app.command()
@user_errors
def export(name: Name, options: Options = None) -> None:
    """Write the best model of a run to its folder best/, for use without the run.

    Example: `python -m search export first onnx=true`

    This is the confirmed winner, if there is one. `onnx=true` adds model.onnx (install ladder-search[onnx]).
    """
    from search.after.export import export as write_export
    from search.after.models import best_model
    from search.runs.find import find
    from search.runs.folder import short

    values = options_of(options, storage="runs", onnx=False)
    if not isinstance(values["onnx"], bool):
        raise ValueError(f"onnx is {values['onnx']!r}, but must be true or false (onnx=true)")
    run = find(name, str(values["storage"]))
    model, folder = best_model(run), write_export(run, onnx=values["onnx"])
    print(f"{model.name}, weights {model.weights}")
    print(f"{short(folder)}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


@app.command()
@user_errors
def predict(
    name: Name,
    source: Annotated[Path, typer.Argument(help="a file or a folder to predict")],
    options: Options = None,
    out: Annotated[Path, typer.Option(help="The folder for the results.")] = Path("predictions"),
    numbers: Annotated[Path | None, typer.Option(help="A file with the numbers of the inputs.")] = None,
    truth: Annotated[Path | None, typer.Option(help="A file with the true answers, for scores.")] = None,
) -> None:
    """Predict with the best model of a run, or with its top=K best as an ensemble.

    Example: `python -m search predict first digits/ --out predicted top=3`

    Options as `key=value` are those of the space's predictor.
    """
    from search.after.predict import predict as predict_all
    from search.config.overrides import parse_overrides
    from search.runs.find import find

    values = parse_overrides(options or [])
    run = find(name, str(values.pop("storage", "runs")))
    top = values.pop("top", 1)
    files = {"numbers": numbers, "truth": truth}
    values |= {key: str(path) for key, path in files.items() if path is not None}
    for line in predict_all(run, source, out, top, values):
        print(line)


@app.command()
@user_errors
def report(name: Name, storage: Storage = None) -> None:
    """Write the report of a run: one HTML file that opens anywhere.

    Example: `python -m search report first`
    """
    from search.after.report import make
    from search.runs.find import find
    from search.runs.folder import short

    print(short(make(find(name, storage_of(storage)))))


@app.command()
@user_errors
def compare(
    names: Annotated[
        list[str], typer.Argument(help="names of runs, or paths of their folders; storage=FOLDER")
    ],
    out: Annotated[Path | None, typer.Option(help="the page (default: compare-A-B.html in storage)")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare runs of the same objective, in a table and on one page.

    Example: `python -m search compare first second`
    """
    from results.cached import storage_folder
    from results.report import compare as comparison
    from search.cli.tables import print_table
    from search.runs.find import find
    from search.runs.folder import short
    from search.runs.tables import with_tables

    options = [name for name in names if "=" in name.partition("://")[0]]  # a URI may hold one too
    storage = storage_of(options)
    columns = comparison.compare([with_tables(find(one, storage)) for one in names if one not in options])
    rows = [column.row() for column in columns]
    print(json.dumps(rows, indent=2)) if as_json else print_table(rows)
    labels = "-".join(column.run.name for column in columns)
    path = comparison.write(columns, out or storage_folder(storage) / f"compare-{labels}.html")
    if not as_json:
        print(f"page: {short(path.absolute())}")


app.command()(user_errors(replay))


@app.command("list")
@user_errors
def list_runs(storage: Storage = None, as_json: AsJson = False) -> None:
    """List the runs in a storage folder. One that can't be opened is `unreadable`, with the reason.

    Example: `python -m search list storage=runs`
    """
    from search.cli.tables import brief, print_briefs
    from search.runs.find import run_names

    place = storage_of(storage)
    rows = [brief(name, place) for name in run_names(place)]
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        print_briefs(rows)
    else:
        print(f"no runs in {place}; begin with: python -m search run space=slice_reg")


@app.command()
@user_errors
def dashboard(name: Name, options: Options = None) -> None:
    """Watch a run in the browser: its report, which grows with the search, and optuna-dashboard.

    Example: `python -m search dashboard first port=8080`
    """
    from search.after.live import serve
    from search.runs.find import find
    from search.runs.folder import read_config
    from search.runs.journal import open_study
    from spaces.validation import NonNegativeInt, check_value

    values = options_of(options, storage="runs", port=0)
    run = find(name, str(values["storage"]))
    config = read_config(run)
    open_study(run.path, config, writable=False)  # refuses a damaged journal
    serve(run, config, check_value(NonNegativeInt, "port", values["port"]))


@app.command()
@user_errors
def check(overrides: Overrides = None) -> None:
    """Check a space before a long search: imports, bounds of every parameter, shapes, memory, disk.

    Example: `python -m search check space=mnist_classifier`

    Takes the arguments of `run`. Ends with code 2 if something is wrong.
    """
    from search.before.check import WRONG, rows
    from search.before.check import check as findings
    from search.cli.tables import print_table
    from search.config.run_config import resolve

    results = list(findings(resolve(overrides or [])))
    print_table(rows(results))
    if any(finding.verdict == WRONG for finding in results):
        raise typer.Exit(WRONG_INPUT)


@app.command()
@user_errors
def new(
    module: Annotated[str, typer.Argument(help="package.module or package.module:Class")],
    options: Annotated[
        list[str] | None, typer.Argument(help="data=package.module:DataClass", show_default=False)
    ] = None,
) -> None:
    """Write a space file for your own module from its arguments.

    Example: `python -m search new my_pkg.my_module:MyLitModule data=my_pkg.my_module:MyDataModule`
    """
    from search.before.new_space import write

    values = options_of(options, data=None)
    path = write(module, values["data"], Path.cwd())
    print(f"wrote {path}; look at it, then: python -m search check space={path.name}")


@app.command()
@user_errors
def spaces(as_json: AsJson = False) -> None:
    """List the spaces that come with Ladder.

    Example: `python -m search spaces`
    """
    from search.cli.tables import print_table
    from spaces.read import names, read

    rows = [
        {
            "space": space.name,
            "about": space.about,
            "objective": f"{space.objective.metric} ({space.objective.mode})",
            "params": ", ".join(space.params),
        }
        for space in map(read, names())
    ]
    print(json.dumps(rows, indent=2)) if as_json else print_table(rows)
