"""A model server to be cruel to. Standard library only, so that it starts at once.

What it does is said on its command line; the token stands in the file named by FAKE_TOKEN_FILE.
POST /fake/busy?n=… sets the number of unfinished requests that /metrics tells; POST /fake/hang lets nothing be answered
any more.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--host", required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--name", default="fake")
parser.add_argument("--devices", default="")
parser.add_argument("--start-seconds", type=float, default=0.0, help="/health says 503 for so long")
parser.add_argument("--exit", type=int, default=None, help="print a few lines and exit at once")
parser.add_argument("--deaf", action="store_true", help="ignores TERM")
parser.add_argument("--child", action="store_true", help="leaves a process of its own behind")
parser.add_argument(
    "--collide", default="", help="exits with 'address already in use' unless this file exists"
)
options = parser.parse_args()

token_file = os.environ.get("FAKE_TOKEN_FILE")
token = Path(token_file).read_text() if token_file else os.environ.get("FAKE_TOKEN", "")
begun = time.monotonic()
state = {"busy": 0, "hang": False, "warm": 0}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body, kind="application/json"):
        if state["hang"]:
            threading.Event().wait()
        raw = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def allowed(self):
        return not token or self.headers.get("Authorization") == f"Bearer {token}"

    def do_GET(self):
        if self.path == "/health":
            ready = time.monotonic() - begun >= options.start_seconds
            self.answer(200 if ready else 503, "{}")
        elif not self.allowed():
            self.answer(401, "{}")
        elif self.path == "/metrics":
            lines = f'fake_running{{model="a b"}} {state["busy"]}\nfake_waiting 0.0\nfake_other 7\n'
            self.answer(200, lines, "text/plain")
        elif self.path == "/fake":
            self.answer(200, json.dumps({**state, "environment": dict(os.environ), "argv": sys.argv}))
        else:
            self.answer(404, "{}")

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.allowed():
            self.answer(401, "{}")
        elif self.path == "/v1/completions":
            state["warm"] += 1
            self.answer(200, json.dumps({"choices": [{"text": "x"}]}))
        elif self.path.startswith("/fake/busy?n="):
            state["busy"] = int(self.path.partition("=")[2])
            self.answer(200, "{}")
        elif self.path == "/fake/hang":
            self.answer(200, "{}")
            state["hang"] = True
        else:
            self.answer(404, "{}")


class Server(ThreadingHTTPServer):
    daemon_threads = True


print(f"fake server {options.name} with token {token}", flush=True)
if options.collide and not Path(options.collide).exists():
    Path(options.collide).touch()
    sys.exit("cannot bind: Address already in use")
if options.exit is not None:
    for number in range(40):
        print(f"line {number}", flush=True)
    sys.exit(options.exit)
if options.deaf:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if options.child and os.fork() == 0:
    os.setsid()
    signal.pause()
Server((options.host, options.port), Handler).serve_forever()
