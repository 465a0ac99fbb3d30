"""Messages of one line: an error, a text, a suggestion for an unknown name."""

import difflib
import sysconfig
import traceback
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
OTHERS = tuple(HERE / room for room in ("search", "trainables", "spaces", "results"))
PLACE = "place_in_users_code"  # attribute of an exception
PACKAGES = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib"))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'lr'?`, or all known names where none is similar; to be appended to an error message.

    A known name that ends in `.name` is the first choice: `param.lr` for `lr`.
    """
    known = sorted(map(str, known))
    similar = [key for key in known if key.endswith(f".{name}")] or difflib.get_close_matches(
        name, known, n=1
    )
    return f"; did you mean {similar[0]!r}?" if similar else f"; there are: {', '.join(known)}"


def one_line(text: object) -> str:
    """A text, such as the message of an exception, with its line breaks as spaces."""
    return " ".join(str(text).split())


def describe(error: BaseException) -> str:
    """Class and message of an exception on one line, at most 500 characters."""
    return f"{type(error).__name__}: {one_line(error)}"[:500]


def describe_with_place(error: BaseException) -> str:
    """As `describe`, with the last line of the user's own code that the exception came through, if any."""
    known = getattr(error, PLACE, None) or place(error)
    return f"{describe(error)[:400]} ({known})" if known else describe(error)


def keep_place(error: BaseException) -> None:
    """Notes that line in the exception, for another process, which gets it without its traceback."""
    setattr(error, PLACE, place(error))


def place(error: BaseException) -> str | None:
    """The last line of the user's own code that the exception came through."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if is_users(frame.filename):
            return f"{Path(frame.filename).name}:{frame.lineno}, in {frame.name}"
    return None


def is_users(file: str) -> bool:
    """Whether a source file is neither Ladder's, nor Python's, nor that of an installed package."""
    path = Path(file).resolve()
    return not any(path.is_relative_to(folder) for folder in (*OTHERS, *PACKAGES)) and file != "<string>"
