"""The command `resume`: goes on with a run, and makes it larger."""

from search.cli.exit_codes import end_run
from search.cli.options import AsJson, Name, Options, options_of


def resume(name: Name, options: Options = None, as_json: AsJson = False) -> None:
    """Continue a run that was interrupted, or give a run more trials, epochs or time.

    Example: `python -m search resume first trials=60`

    `trials=`, `epochs=` and `time=` are those of the whole run, with what it has had, and may only grow.
    """
    from search.after.report_process import ReportProcess
    from search.config.run_config import Seconds
    from search.runs.find import find
    from search.runs.run import resume as resume_run
    from spaces.validation import PositiveInt, check_value

    values = options_of(options, storage="runs", trials=None, epochs=None, time=None)
    kinds = {"trials": PositiveInt, "epochs": PositiveInt, "time": Seconds}
    size = {
        key: check_value(kind, key, values[key]) for key, kind in kinds.items() if values[key] is not None
    }
    run = find(name, str(values["storage"]))
    with ReportProcess(run.config.get("gallery")) as report:
        end_run(resume_run(run.path, report.begin, **size), report, as_json)
