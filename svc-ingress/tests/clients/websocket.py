"""A WebSocket server that says every message back, and a client that checks it: `serve`, or `ask ADDRESS:PORT`."""

import socket
import sys

from websockets.sync.client import connect
from websockets.sync.server import serve

LIMIT = 4 << 20


def echo(connection):
    for message in connection:
        connection.send(message)


def ask(address):
    host, port = address.rsplit(":", 1)
    tunnel = socket.create_connection((host, int(port)))
    with connect("ws://foo.example/chat", sock=tunnel, max_size=LIMIT, compression="deflate") as connection:
        for message in ["hello", "x" * 200_000, b"\x00\xff" * 500_000, ""]:
            connection.send(message)
            assert connection.recv() == message, "a message comes back as it went"
        assert connection.ping().wait(10), "control frames pass too"


if sys.argv[1] == "serve":
    with serve(echo, "127.0.0.1", 0, max_size=LIMIT) as server:
        print(server.socket.getsockname()[1], flush=True)
        server.serve_forever()
else:
    ask(sys.argv[2])
