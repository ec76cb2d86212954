"""An exporter that lets nobody in without the right header or client certificate, and the certificates."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TEXT = {"Content-Type": "text/plain; version=0.0.4"}


@dataclass(frozen=True)
class Certificates:
    """A certificate authority, and a server's and a client's certificate that it signed."""

    folder: Path

    def file(self, name: str) -> Path:
        """Return `ca.pem`, `server.pem`, `server.key`, `client.pem` or `client.key`."""
        return self.folder / name

    def make(self, server_name: str) -> None:
        """Write them all, by openssl; the server's is for that name alone."""
        self._openssl("req", "-x509", *_NEW_KEY, "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=ca")
        extensions = {"server": f"subjectAltName=DNS:{server_name}", "client": "basicConstraints=CA:FALSE"}
        for name, extension in extensions.items():
            self.file(f"{name}.cnf").write_text(f"{extension}\n")
            self._openssl("req", *_NEW_KEY, f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
            self._openssl(
                "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", f"{name}.cnf", "-out", f"{name}.pem",
            )  # fmt: skip

    def server_context(self) -> ssl.SSLContext:
        """Return what a server needs that asks its clients for a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file("server.pem"), self.file("server.key"))
        context.load_verify_locations(self.file("ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of a client that was not let in."""


@contextmanager
def guarded_exporter(authorization: str | None, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve one metric at the yielded `host:port` to whom sends that header; over TLS with a context."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            welcome = authorization in (None, self.headers.get("Authorization"))
            self.send_response(200 if welcome else 401)
            for name, value in TEXT.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"guarded 1\n" if welcome else b"")

        def log_message(self, *_: object) -> None:
            pass

    with _QuietServer(("127.0.0.1", 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
