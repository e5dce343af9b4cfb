"""HTTP/2 frames that hyperframe built and hpack packed, right and wrong ones: `frames.py ask ADDRESS`.

Each row has a section of RFC 9113 (or RFC 7541), what is sent after the preface, and what the server may do then: `200`, another
status, `reset N` of a stream, `goaway N`, `closed`. A connection error may stand for a stream error (section 5.4).
"""

import socket
import struct
import sys

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GET = [(":method", "GET"), (":scheme", "http"), (":authority", "foo.example"), (":path", "/")]
POST = [(":method", "POST")] + GET[1:]
PROTOCOL, FLOW, CLOSED, SIZE, COMPRESSION = 1, 3, 5, 6, 9


def raw(kind, flags, stream, payload):
    """A frame that hyperframe would not make."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def block(fields, huffman=False):
    return Encoder().encode(fields, huffman=huffman)


def headers(stream=1, fields=GET, flags=("END_HEADERS", "END_STREAM"), data=None):
    return HeadersFrame(stream, data if data is not None else block(fields), flags=list(flags)).serialize()


def data(stream, payload=b"x", flags=("END_STREAM",), **padding):
    return DataFrame(stream, payload, flags=list(flags), **padding).serialize()


def settings(values):
    return SettingsFrame(0, settings=values).serialize()


def window(stream, by):
    return struct.pack(">I", 4)[1:] + bytes([8, 0]) + struct.pack(">II", stream, by)


def any_of(*codes):
    """An end of the stream or of the connection for one of these reasons."""
    return [f"{what} {code}" for code in codes for what in ("reset", "goaway")]


def ends(*codes):
    return [f"goaway {code}" for code in codes]


OPEN = headers(fields=POST, flags=("END_HEADERS",))
UNKNOWN = raw(0xEE, 0xFF, 1, b"whatever")

ROWS = [
    # What has to be taken.
    ("3.4 a request", headers(), ["200"]),
    ("3.5 HEADERS before anything else of the client", headers(3), ["200"]),
    ("4.1 an unknown type is ignored", UNKNOWN + headers(), ["200"]),
    ("4.1 flags and a reserved bit without meaning are ignored", raw(6, 0xFE, 0x80000000, bytes(8)) + headers(), ["200"]),
    ("5.3.2 PRIORITY is ignored", PriorityFrame(3, 0, 200, False).serialize() + headers(), ["200"]),
    ("6.1 DATA with padding", OPEN + data(1, b"hi", ("END_STREAM", "PADDED"), pad_length=9), ["200"]),
    ("6.2 a block in pieces", headers(flags=("END_STREAM",), data=block(GET)[:3])
     + raw(9, 0, 1, block(GET)[3:5]) + raw(9, 4, 1, block(GET)[5:]), ["200"]),
    ("6.5 an unknown setting is ignored", raw(4, 0, 0, struct.pack(">HI", 0xFFFF, 1)) + headers(), ["200"]),
    ("6.7 PING is answered", PingFrame(0, b"12345678").serialize(), ["ping 12345678"]),
    ("6.9 a window that grows", WindowUpdateFrame(0, window_increment=5).serialize() + headers(), ["200"]),
    ("6.9.2 no more bytes than the window has", settings({SettingsFrame.INITIAL_WINDOW_SIZE: 1}) + headers(), ["data 1"]),
    ("6.9.2 a window that a setting opens", settings({SettingsFrame.INITIAL_WINDOW_SIZE: 0}) + headers()
     + settings({SettingsFrame.INITIAL_WINDOW_SIZE: 2}), ["data 2"]),
    ("7541 5.2 Huffman's code", headers(data=block(GET, huffman=True)), ["200"]),
    ("7541 4.2 a smaller table at the start of a block", headers(data=b"\x20" + block(GET)), ["200"]),
    # Preface and frame sizes.
    # The server need not insist: h2 does not.
    ("3.4 another frame than SETTINGS at the start", None, ["ping 12345678", "closed"] + ends(PROTOCOL)),
    ("4.2 HEADERS over 16384 bytes", raw(1, 5, 1, bytes(16385)), ends(SIZE, PROTOCOL)),
    ("6.3 PRIORITY of 4 bytes", raw(2, 0, 1, bytes(4)), any_of(SIZE, PROTOCOL)),
    ("6.3 PRIORITY on no stream", raw(2, 0, 0, bytes(5)), ends(PROTOCOL)),
    ("6.5 SETTINGS of 7 bytes", raw(4, 0, 0, bytes(7)), ends(SIZE, PROTOCOL)),
    ("6.5.2 ENABLE_PUSH 2", settings({SettingsFrame.ENABLE_PUSH: 2}), ends(PROTOCOL)),
    ("6.5.2 a frame size over 2^24-1", settings({SettingsFrame.MAX_FRAME_SIZE: 1 << 24}), ends(PROTOCOL)),
    ("6.8 GOAWAY on a stream", raw(7, 0, 1, bytes(8)), ends(PROTOCOL)),
    # States of streams.
    ("5.1 WINDOW_UPDATE on an idle stream", window(1, 1), ends(PROTOCOL)),
    ("5.1 CONTINUATION on an idle stream", raw(9, 4, 1, block(GET)), ends(PROTOCOL)),
    ("5.1 HEADERS on a half-closed stream", headers() + headers(), any_of(CLOSED, PROTOCOL) + ["200"]),
    ("5.1 DATA after END_STREAM", OPEN + data(1) + data(1), any_of(CLOSED, PROTOCOL) + ["200"]),
    ("5.1 DATA after RST_STREAM", OPEN + RstStreamFrame(1, 8).serialize() + data(1), any_of(CLOSED, PROTOCOL)),
    ("5.1.1 a number lower than the last", headers(5) + headers(3), ends(PROTOCOL)),
    ("5.1.1 PUSH_PROMISE of a client", PushPromiseFrame(1, 2, block(GET), flags=["END_HEADERS"]).serialize(), ends(PROTOCOL)),
    ("6.1 padding as long as the frame", OPEN + raw(0, 9, 1, b"\x06hello"), ends(PROTOCOL)),
    ("6.2 HEADERS on no stream", raw(1, 5, 0, block(GET)), ends(PROTOCOL)),
    ("6.2 HEADERS while another block is open", headers(1, flags=("END_STREAM",)) + headers(3), ends(PROTOCOL)),
    ("6.4 RST_STREAM on no stream", raw(3, 0, 0, bytes(4)), ends(PROTOCOL)),
    ("6.10 CONTINUATION on no stream", headers(flags=("END_STREAM",)) + raw(9, 4, 0, block(GET)), ends(PROTOCOL)),
    ("6.10 CONTINUATION after the end of a block", headers() + ContinuationFrame(1, block(GET)).serialize(), any_of(PROTOCOL, CLOSED) + ["200"]),
    # Flow control.
    ("6.9 a stream's window that grows by 0", OPEN + window(1, 0), any_of(PROTOCOL)),
    ("6.9.1 a stream's window over 2^31-1", OPEN + window(1, 0x7FFFFFFF), any_of(FLOW, PROTOCOL)),
    ("6.9.2 a setting that puts windows over 2^31-1", OPEN + window(1, 1 << 20)
     + settings({SettingsFrame.INITIAL_WINDOW_SIZE: 0x7FFFFFFF}), any_of(FLOW, PROTOCOL)),
    ("6.9.2 a first window over 2^31-1", settings({SettingsFrame.INITIAL_WINDOW_SIZE: 1 << 31}), ends(FLOW, PROTOCOL)),
    # HPACK.
    ("7541 6.1 index 0", headers(data=b"\x80"), ends(COMPRESSION, PROTOCOL)),
    ("7541 6.3 a table over the limit", headers(data=b"\x3f\xe2\x1f" + block(GET)), ends(COMPRESSION, PROTOCOL)),
    ("7541 5.1 an integer without end", headers(data=b"\xff" * 9), ends(COMPRESSION, PROTOCOL)),
    ("7541 5.2 padding longer than 7 bits", headers(data=block(GET) + b"\x00\x01a\x82\xff\xff"), ends(COMPRESSION, PROTOCOL)),
    ("7541 5.2 the end of strings in a string", headers(data=block(GET) + b"\x00\x01a\x84\xff\xff\xff\xff"), ends(COMPRESSION, PROTOCOL)),
    ("7541 2.3.3 an index beyond the table", headers(data=block(GET) + b"\xc8"), ends(COMPRESSION, PROTOCOL)),
    # Requests.
    ("8.1 a second block without END_STREAM", OPEN + headers(fields=[("x-a", "1")], flags=("END_HEADERS",)), any_of(PROTOCOL) + ["400"]),
    # h2 takes it away instead: nobody sees it.
    ("8.1 a pseudo-field after the body", OPEN + data(1, flags=()) + headers(fields=[(":path", "/")]), any_of(PROTOCOL) + ["400", "200"]),
    ("8.2.2 keep-alive", headers(fields=GET + [("keep-alive", "5")]), any_of(PROTOCOL) + ["400"]),
    ("8.2.2 upgrade", headers(fields=GET + [("upgrade", "x")]), any_of(PROTOCOL) + ["400"]),
    ("8.2.2 proxy-connection", headers(fields=GET + [("proxy-connection", "x")]), any_of(PROTOCOL) + ["400"]),
    ("8.2.2 te: trailers", headers(fields=GET + [("te", "trailers")]), ["200"]),
    ("8.3.1 :scheme twice", headers(fields=GET[:2] + [(":scheme", "http")] + GET[2:]), any_of(PROTOCOL) + ["400"]),
    ("8.5 CONNECT", headers(fields=[(":method", "CONNECT"), (":authority", "foo.example:443")]), any_of(PROTOCOL) + ["405"]),
]


class Connection:
    def __init__(self, address, frames):
        self.socket = socket.create_connection(address)
        self.socket.settimeout(60)
        begin = PREFACE + (PingFrame(0, b"12345678").serialize() if frames is None else settings({}) + frames)
        try:
            self.socket.sendall(begin)
        except OSError:
            pass  # It may be gone before all is sent.
        self.decoder = Decoder()

    def read(self, length):
        read = b""
        while len(read) < length:
            try:
                some = self.socket.recv(length - len(read))
            except OSError:
                some = b""
            if not some:
                return None
            read += some
        return read

    def outcome(self, wanted):
        """The first thing that the server does of those that matter to the row."""
        while True:
            head = self.read(9)
            if head is None:
                return "closed"
            frame, length = Frame.parse_frame_header(memoryview(head))
            body = self.read(length)
            if body is None:
                return "closed"
            frame.parse_body(memoryview(body))
            if isinstance(frame, GoAwayFrame):
                return f"goaway {frame.error_code}"
            if isinstance(frame, RstStreamFrame):
                return f"reset {frame.error_code}"
            if isinstance(frame, PingFrame) and "ACK" in frame.flags and wanted.startswith("ping"):
                return "ping " + frame.opaque_data.decode()
            if isinstance(frame, HeadersFrame):
                fields = dict(self.decoder.decode(frame.data))
                if not wanted.startswith("data"):
                    return fields[":status"]
            if isinstance(frame, DataFrame) and wanted.startswith("data"):
                return f"data {len(frame.data)}"


def main():
    host, port = sys.argv[2].rsplit(":", 1)
    wrong = []
    for name, frames, allowed in ROWS:
        outcome = Connection((host, int(port)), frames).outcome(allowed[0])
        if outcome not in allowed:
            wrong.append(f"{name}: {outcome}, allowed are {allowed}")
    print("\n".join(wrong))
    print(f"{len(ROWS)} rows")
    sys.exit(1 if wrong else 0)


main()
