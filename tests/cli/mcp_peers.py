# SPDX-License-Identifier: Apache-2.0
"""Peers of `slipway mcp`: one that writes any bytes, and the official client."""
import json
import os
import queue
import subprocess
import threading
import time
from pathlib import Path

from support import SLIPWAY

CLIENT_SCRIPT = Path(__file__).resolve().parents[1] / "mcp" / "client.mjs"
CACHE = Path(os.environ.get("SLIPWAY_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway")
CLIENT = CACHE / "mcp-client"


class RawPeer:
    """Speaks lines of JSON, and keeps every line that comes: what is no JSON on its output is an error."""

    def __init__(self, *options, env=None, initialize="2025-11-25"):
        self.process = subprocess.Popen([SLIPWAY, "mcp", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=dict(os.environ, **(env or {})))
        self.errors, self.messages, self.lines, self.last = b"", [], queue.Queue(), 0
        self.threads = [threading.Thread(target=self.read_lines), threading.Thread(target=self.read_errors)]
        for thread in self.threads:
            thread.start()
        if initialize:
            self.initialized = self.ask("initialize", protocolVersion=initialize, capabilities={}, clientInfo={"name": "raw", "version": "1"})
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.close()

    def read_lines(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def read_errors(self):
        for line in self.process.stderr:
            self.errors += line

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message):
        self.write(json.dumps(message).encode() + b"\n")

    def next(self, timeout=60):
        """The next message, or None at the end of the output."""
        message = self.lines.get(timeout=timeout)
        if message is not None:
            self.messages.append(message)
        return message

    def begin(self, method, meta=None, **params):
        self.last += 1
        self.send({"jsonrpc": "2.0", "id": self.last, "method": method, "params": {**params, **({"_meta": meta} if meta else {})}})
        return self.last

    def answer(self, number, timeout=60):
        until = time.monotonic() + timeout
        while (message := self.next(max(until - time.monotonic(), 0.01))) is not None:
            if message.get("id") == number:
                return message
        raise AssertionError(f"the server ended; it said: {self.errors.decode()}")

    def ask(self, method, timeout=60, **params):
        return self.answer(self.begin(method, **params), timeout)

    def begin_call(self, tool, /, meta=None, **arguments):
        return self.begin("tools/call", meta, name=tool, arguments=arguments)

    def call(self, tool, /, timeout=60, **arguments):
        """structuredContent of a tool's result."""
        return self.ask("tools/call", timeout, name=tool, arguments=arguments)["result"]["structuredContent"]

    def close(self, timeout=60):
        """Ends the server by the end of its input; its status."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        status = self.process.wait(timeout=timeout)
        for thread in self.threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return status


class Client:
    """tests/mcp/client.mjs in node."""

    def __init__(self, *options, env=None):
        self.process = subprocess.Popen([os.environ.get("NODE", "node"), CLIENT_SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, SLIPWAY_MCP_CLIENT=str(CLIENT)))
        self.server = self.do("connect", command=SLIPWAY, args=["mcp", *options], env={**os.environ, **(env or {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def begin(self, what, **step):
        self.process.stdin.write(json.dumps({"do": what, **step}) + "\n")
        self.process.stdin.flush()

    def end(self):
        """What the step came to, or RuntimeError with what the client says."""
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["ok"]

    def do(self, what, **step):
        self.begin(what, **step)
        return self.end()

    def call(self, tool, /, timeout=120_000, cancel_after=None, **arguments):
        return self.do("call", name=tool, arguments=arguments, timeout=timeout, cancelAfter=cancel_after)

    def close(self):
        self.do("close")
        self.process.stdin.close()
        return self.process.wait(timeout=30)
