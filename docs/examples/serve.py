"""Solve puzzles over HTTP: `python docs/examples/serve.py [CHECKPOINT]`.

A POST of a puzzle as text gets its answer as JSON:

    curl --data ..25.7.8...3.............6..17.38..4.9..54.....67....9.5..2.9.172..4.5.6.3.....4. http://127.0.0.1:8000
"""

import argparse
import json
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hrm_evaluator import Solver, UserError, load

LONGEST = 65_536  # bytes of a puzzle


class Server(ThreadingHTTPServer):
    """Answers each request in a thread of its own; the solver may be called from all of them."""

    def __init__(self, address: tuple[str, int], solver: Solver) -> None:
        super().__init__(address, Handler)
        self.solver = solver


class Handler(BaseHTTPRequestHandler):
    """Reads one puzzle and answers it."""

    server: Server
    timeout = 30  # seconds without a byte, after which a connection ends

    def do_POST(self) -> None:
        """Answer a puzzle, or say in one line what is wrong."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            return self.reply(HTTPStatus.LENGTH_REQUIRED, error="the request has no Content-Length")
        length = length.lstrip("0")[:20]  # longer is too long anyway
        body = self.rfile.read(min(int(length or 0), LONGEST + 1))
        if len(body) > LONGEST:
            return self.reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error=f"a puzzle has at most {LONGEST} bytes")
        try:
            solution = self.server.solver.solve(body.decode())
        except UnicodeDecodeError:
            return self.reply(HTTPStatus.BAD_REQUEST, error="the puzzle is no UTF-8 text")
        except UserError as error:
            return self.reply(HTTPStatus.BAD_REQUEST, error=str(error))
        self.reply(
            HTTPStatus.OK,
            answer=solution.text,
            valid=solution.valid,
            faults=solution.faults,
            steps=solution.steps,
            confidence=solution.confidence,
        )

    def reply(self, status: HTTPStatus, **content: object) -> None:
        """Send a JSON object."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Solve puzzles over HTTP.")
    parser.add_argument("checkpoint", nargs="?", help="as for load(); the newest run when left out")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 lets other machines ask; there is no password")
    parser.add_argument("--port", type=int, default=8000, help="0 chooses a free one")
    options = parser.parse_args()
    try:
        solver = load(options.checkpoint)
        server = Server((options.host, options.port), solver)
    except (UserError, OSError, OverflowError) as error:
        sys.exit(f"serve.py: {error}")
    print(f"{solver.task.name} at http://{options.host}:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()


if __name__ == "__main__":
    main()
