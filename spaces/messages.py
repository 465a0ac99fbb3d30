"""Messages of one line: an error, a text, a suggestion for an unknown name."""

import difflib
from collections.abc import Iterable


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
