"""Prices: a Python program that ignores PORT and listens where it always did."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Prices(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"album": self.path.rsplit("/", 1)[-1], "cents": 1299}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", 18731), Prices).serve_forever()
