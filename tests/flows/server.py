"""A web server on this computer that can misbehave as real ones do."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Server:
    """What is served, how, and what was asked for.

    Attributes:
        files: path -> bytes.
        cuts: the next answers break off after so many bytes.
        ranges: whether it knows the header Range.
        status: answered instead of a file, 0 for none.
        shift: a range begins so many bytes before the one asked for.
        asked: the header Range of every request, "" for none.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    status: int = 0
    shift: int = 0
    asked: list[str] = field(default_factory=list)
    port: int = 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Serve until the end of the `with`."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            server.asked.append(asked)
            content = server.files.get(self.path.lstrip("/"))
            if server.status or content is None:
                self.send_error(server.status or 404)
                return
            found = re.match(r"bytes=(\d+)-", asked) if server.ranges else None
            start = int(found[1]) - server.shift if found else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if found else 200)
            self.send_header("Content-Length", str(len(content) - start))
            if found:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            body = content[start:]
            if server.cuts:
                body = body[: server.cuts.pop(0)]
                self.close_connection = True
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server.port = http.server_port
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
