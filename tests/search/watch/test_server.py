"""The token of a server: its cookie, and what is refused."""

import pytest

from search.watch.server import refuse_to_write, with_token


def app(environ, start_response):
    start_response("200 OK", [])
    return [b"secret"]


def ask(wsgi, **environ):
    """Status, headers and body of the answer of an application."""
    answers = []
    environ = {"PATH_INFO": "/", "REQUEST_METHOD": "GET"} | environ
    body = wsgi(environ, lambda status, headers: answers.append((status, dict(headers))))
    status, headers = answers[0]
    return int(status[:3]), headers, b"".join(body)


def test_the_address_with_the_token_sets_a_cookie_that_no_script_reads():
    guarded = with_token(app, "abc", "ladder-1")
    status, headers, body = ask(guarded, QUERY_STRING="token=abc", PATH_INFO="//elsewhere.example/")
    assert (status, headers["Location"], body) == (303, "/", b"")
    cookie, *flags = headers["Set-Cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Strict"} <= set(flags)
    assert headers["Cache-Control"] == "no-store" and headers["Referrer-Policy"] == "no-referrer"
    assert ask(guarded, HTTP_COOKIE=f"other=1; {cookie}")[::2] == (200, b"secret")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"QUERY_STRING": "token=abd"},
        {"QUERY_STRING": "token=%ff%e9"},
        {"QUERY_STRING": "token="},
        {"HTTP_COOKIE": "ladder-2=abc"},  # that of a server at another port
        {"HTTP_COOKIE": "ladder-1=abcd"},
        {"HTTP_COOKIE": "ladder-1=é; [;=,"},
    ],
)
def test_without_the_token_nothing_is_answered(environ):
    status, _, body = ask(with_token(app, "abc", "ladder-1"), **environ)
    assert status == 403 and b"secret" not in body


def test_requests_that_write_are_refused():
    for method, status in (("GET", 200), ("HEAD", 200), ("POST", 405), ("DELETE", 405), ("PUT", 405)):
        assert ask(refuse_to_write(app), REQUEST_METHOD=method)[0] == status
