"""Suggestions for error messages about an unknown name."""

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
