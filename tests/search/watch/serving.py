"""The server of a run in a thread, and requests to it that have its token."""

import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from http.cookiejar import CookieJar

from search.after import live


@contextmanager
def served(run, config):
    """The address of the server of a run, with its token."""
    server = live.make(run, config, 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Visitor:
    """Requests of one browser, which keeps its cookies."""

    def __init__(self, address="", token=True):
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.host = address.partition("/?")[0]
        if token:
            self.first = self.get("", address)

    def get(self, path, address="", method="GET", content=None):
        """Status and body of a request."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(address or self.host + path, content, headers, method=method)
        try:
            with self.opener.open(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
