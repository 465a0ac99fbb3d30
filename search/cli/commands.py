"""The command line. A user's ValueError becomes one line and exit code 2; see `python -m search --help`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from search.cli.exit_codes import FAILED, WRONG_INPUT, ended, user_errors
from search.cli.options import AsJson, Name, Options, Overrides, Storage, options_of, storage_of

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
    `param.NAME=...`: a value fixes it, a list `[a,b]` gives choices, `.low=` and `.high=` move its ends.
    """
    from search.after.report_process import ReportProcess
    from search.config.run_config import resolve
    from search.runs.run import start

    config = resolve(overrides or [])
    with ReportProcess() as reporter:
        ended(start(config, reporter), reporter)


@app.command()
@user_errors
def resume(name: Name, storage: Storage = None, as_json: AsJson = False) -> None:
    """Go on with a run that was interrupted.

    Example: `python -m search resume first`
    """
    from search.after.report_process import ReportProcess
    from search.runs.folder import find
    from search.runs.run import resume as go_on

    folder = find(name, storage_of(storage)).path
    with ReportProcess() as reporter:
        ended(go_on(folder, reporter), reporter, as_json)


@app.command()
@user_errors
def show(name: Name, storage: Storage = None, as_json: AsJson = False) -> None:
    """Show what a run has found.

    Example: `python -m search show first --json`
    """
    from search.cli.tables import print_run, summary
    from search.runs.folder import find

    run = find(name, storage_of(storage))
    if as_json:
        print(json.dumps(summary(run), indent=2))
    else:
        print_run(run)


@app.command()
@user_errors
def confirm(name: Name, options: Options = None, as_json: AsJson = False) -> None:
    """Confirm what a run has found, on fresh seeds and the test split.

    Example: `python -m search confirm first top=3 seeds=5`

    Trains the best trials and the space's default configuration anew. What is confirmed already is not
    trained again.
    """
    from results.store import open_run
    from search.after.report_process import ReportProcess
    from search.config.run_config import whole_number
    from search.runs.folder import find
    from search.runs.run import confirm as confirm_run

    given = options_of(options, storage="runs", top=None, seeds=None)
    sizes = {key: whole_number(key, given[key], low=1) for key in ("top", "seeds") if given[key] is not None}
    folder = find(name, str(given["storage"])).path
    again = " ".join(["confirm", name, *(options or [])])
    with ReportProcess() as reporter:
        ended(confirm_run(folder, **sizes, reporter=reporter), reporter, as_json, again)
    said = open_run(folder).confirmation()
    if said is None or said.winner is None:
        raise typer.Exit(FAILED)


@app.command()
@user_errors
def export(name: Name, options: Options = None) -> None:
    """Write a run's best model to its folder best/, to be used without the run.

    Example: `python -m search export first onnx=true`

    It is the confirmed winner where there is one. `onnx=true` adds model.onnx (install ladder-search[onnx]).
    """
    from search.after.export import export as write_export
    from search.runs.folder import find, short

    given = options_of(options, storage="runs", onnx=False)
    if not isinstance(given["onnx"], bool):
        raise ValueError(f"onnx is {given['onnx']!r}, but must be true or false (onnx=true)")
    folder = write_export(find(name, str(given["storage"])), onnx=given["onnx"])
    print(f"{short(folder)}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


@app.command()
@user_errors
def predict(
    name: Name,
    source: Annotated[Path, typer.Argument(help="what to predict: a file or a folder")],
    options: Options = None,
    out: Annotated[Path, typer.Option(help="The folder for the results.")] = Path("predictions"),
    numbers: Annotated[Path | None, typer.Option(help="A file of what is known of the inputs.")] = None,
    truth: Annotated[Path | None, typer.Option(help="A file of what is to be found, to be scored.")] = None,
) -> None:
    """Predict with a run's best model, or with its top=K best as an ensemble.

    Example: `python -m search predict first digits/ --out predicted top=3`

    Options as `key=value` are those of the space's predictor.
    """
    from search.after.predict import predict as predict_all
    from search.config.run_config import parse_overrides
    from search.runs.folder import find

    given = parse_overrides(options or [])
    run = find(name, str(given.pop("storage", "runs")))
    top = given.pop("top", 1)
    files = {"numbers": numbers, "truth": truth}
    given |= {key: str(path) for key, path in files.items() if path is not None}
    for line in predict_all(run, source, out, top, given):
        print(line)


@app.command()
@user_errors
def report(name: Name, storage: Storage = None) -> None:
    """Write a run's report: one HTML file that opens anywhere.

    Example: `python -m search report first`
    """
    from search.after.report import make
    from search.runs.folder import find, short

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
    from results.report import compare as comparison
    from search.cli.tables import print_table
    from search.runs.folder import find, short

    storage = storage_of([name for name in names if "=" in name])
    found = comparison.columns([find(name, storage) for name in names if "=" not in name])
    rows = [column.row() for column in found]
    print(json.dumps(rows, indent=2)) if as_json else print_table(rows)
    labels = "-".join(column.run.name for column in found)
    path = comparison.write(found, out or Path(storage) / f"compare-{labels}.html")
    if not as_json:
        print(f"page: {short(path.absolute())}")


@app.command("list")
@user_errors
def list_runs(storage: Storage = None, as_json: AsJson = False) -> None:
    """List the runs in a storage folder.

    Example: `python -m search list storage=runs`
    """
    from results.store import open_run
    from search.cli.tables import brief, print_table

    folders = sorted(path.parent for path in Path(storage_of(storage)).glob("*/config.yaml"))
    rows = [brief(open_run(folder)) for folder in folders]
    if as_json:
        print(json.dumps(rows, indent=2))
    elif rows:
        print_table(rows)
    else:
        print(f"no runs in {storage_of(storage)}; begin with: python -m search run space=slice_reg")


@app.command()
@user_errors
def dashboard(name: Name, options: Options = None) -> None:
    """Watch a run in the browser, on optuna-dashboard; nobody but this machine can.

    Example: `python -m search dashboard first port=8080`
    """
    from search.config.run_config import whole_number
    from search.runs.folder import find
    from search.watch.dashboard import serve

    given = options_of(options, storage="runs", port=0)
    serve(find(name, str(given["storage"])), whole_number("port", given["port"], low=0))


@app.command()
@user_errors
def check(overrides: Overrides = None) -> None:
    """Look a space over before a long search: imports, the ends of every parameter, shapes, memory, disk.

    Example: `python -m search check space=mnist_classifier`

    Takes what `run` takes. Ends with code 2 if something is wrong.
    """
    from search.before.check import WRONG, rows
    from search.before.check import check as findings
    from search.cli.tables import print_table
    from search.config.run_config import resolve

    found = list(findings(resolve(overrides or [])))
    print_table(rows(found))
    if any(finding.verdict == WRONG for finding in found):
        raise typer.Exit(WRONG_INPUT)


@app.command()
@user_errors
def new(
    module: Annotated[str, typer.Argument(help="package.module or package.module:Class")],
    options: Annotated[
        list[str] | None, typer.Argument(help="data=package.module:DataClass", show_default=False)
    ] = None,
) -> None:
    """Write a space file for your own module, from its arguments.

    Example: `python -m search new my_pkg.my_module:MyLitModule data=my_pkg.my_module:MyDataModule`
    """
    from search.before.new_space import write

    given = options_of(options, data=None)
    path = write(module, given["data"], Path.cwd())
    print(f"wrote {path}; look at it, then: python -m search check space={path.name}")


@app.command()
@user_errors
def spaces(as_json: AsJson = False) -> None:
    """List the spaces that Ladder brings.

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
