"""A stand-in for Kaggle: no part of Kaggle, but a server of these tests on this computer.

Kaggle's clients are left as they are: they are told of a proxy, which answers for kaggle.com itself
under a certificate of its own, so that nothing leaves the computer.
"""

import contextlib
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

SERVICE = "/v1/competitions.CompetitionApiService/"
STORE = "https://store.stand-in.test"


class Answers(BaseHTTPRequestHandler):
    """Answers what Kaggle's two clients ask; the server holds what it is to answer."""

    protocol_version = "HTTP/1.1"

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
        self.close_connection = False

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = self.path.removeprefix(SERVICE)
        asked = json.loads(body or b"{}")
        self.server.asked.append((name, asked))
        if self.server.status != 200:
            refusal = {"code": self.server.status, "message": self.server.sentence}
            self.answer(self.server.status, refusal)
        elif name == "DownloadDataFiles":
            self.answer(200, self.server.archive)
        elif name == "StartSubmissionUpload":
            self.answer(200, {"token": "a-token", "createUrl": f"{STORE}/upload"})
        elif name == "CreateSubmission":
            self.answer(200, {"message": "Successfully submitted", "ref": 7})
        elif name == "GetSubmission":
            verdicts = self.server.verdicts
            self.answer(*(verdicts.pop(0) if len(verdicts) > 1 else verdicts[0]))
        else:
            self.answer(404, {"code": 404, "message": f"no such call: {name}"})

    def do_PUT(self):
        length = int(self.headers.get("Content-Length", 0))
        self.server.uploads.append(self.rfile.read(length))
        self.answer(200, b"")

    def answer(self, status, content):
        is_json = isinstance(content, dict)
        data = json.dumps(content).encode() if is_json else content
        self.send_response(status)
        kind = "application/json" if is_json else "application/octet-stream"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def finish(self):
        super().finish()
        # The socket inside the tunnel, which the server knows nothing of.
        self.connection.close()

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def stand_in(folder, archive=b"", status=200, sentence="refused", verdicts=()):
    """Runs the server; gives it, with `environment` for the programs that are to meet it.

    Args:
      folder: for the certificate, the clients' caches and their credentials.
      archive: what is downloaded.
      status: of every answer; if it is not 200, of a refusal.
      sentence: that a refusal gives for its reason.
      verdicts: (status, content) of what is asked about the submission, one after the other; the
        last one again and again.
    """
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    names = ("api.kaggle.com", "www.kaggle.com", STORE.removeprefix("https://"))
    authority.issue_cert(*names).configure_cert(tls)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    server.tls, server.archive, server.status = tls, archive, status
    server.sentence = sentence
    server.verdicts, server.asked, server.uploads = list(verdicts), [], []
    address = f"http://127.0.0.1:{server.server_port}"
    server.environment = {
        "HTTPS_PROXY": address,
        "https_proxy": address,
        "NO_PROXY": "",
        "no_proxy": "",
        "REQUESTS_CA_BUNDLE": str(folder / "authority.pem"),
        "HOME": str(folder),
        "KAGGLE_CONFIG_DIR": str(folder),
        "KAGGLEHUB_CACHE": str(folder / "kagglehub"),
        "KAGGLE_USERNAME": "somebody",
        "KAGGLE_KEY": "a-key",
    }
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
