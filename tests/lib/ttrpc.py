# SPDX-License-Identifier: Apache-2.0
"""A ttrpc client and just enough protobuf to call a shim directly.

A message is a list of (field number, value): int becomes a varint, str and bytes are
length-delimited, a list is a nested message. Decoding gives {field number: [values]} with
length-delimited values as bytes.
"""

import socket
import struct
import threading

REQUEST, RESPONSE = 1, 2
CODES = {
    0: "OK", 1: "CANCELLED", 2: "UNKNOWN", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED",
    5: "NOT_FOUND", 6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED",
    9: "FAILED_PRECONDITION", 12: "UNIMPLEMENTED", 13: "INTERNAL", 14: "UNAVAILABLE",
}


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(message):
    out = bytearray()
    for number, value in message:
        if isinstance(value, bool):
            value = int(value)
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
            continue
        if isinstance(value, list):
            value = encode(value)
        elif isinstance(value, str):
            value = value.encode()
        out += varint(number << 3 | 2) + varint(len(value)) + value
    return bytes(out)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def decode(data):
    out, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 2:
            size, at = read_varint(data, at)
            value, at = data[at:at + size], at + size
        elif kind == 1:
            value, at = data[at:at + 8], at + 8
        elif kind == 5:
            value, at = data[at:at + 4], at + 4
        else:
            raise ValueError(f"wire type {kind}")
        out.setdefault(key >> 3, []).append(value)
    return out


class Status(Exception):
    def __init__(self, code, text):
        super().__init__(f"{CODES.get(code, code)}: {text}")
        self.code, self.text = CODES.get(code, str(code)), text


class Client:
    """Many calls at once from any thread; answers are matched by stream id."""

    def __init__(self, path, namespace="default"):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.namespace = namespace
        self.lock = threading.Condition()
        self.next_id = 1
        self.answers = {}
        self.closed = False
        threading.Thread(target=self._read, daemon=True).start()

    def _exactly(self, count):
        data = bytearray()
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def _read(self):
        try:
            while True:
                length, stream, kind, _ = struct.unpack(">IIBB", self._exactly(10))
                body = self._exactly(length)
                with self.lock:
                    if kind == RESPONSE:
                        self.answers[stream] = body
                    self.lock.notify_all()
        except (EOFError, OSError):
            with self.lock:
                self.closed = True
                self.lock.notify_all()

    def send(self, service, method, message, timeout=0):
        metadata = [(1, "containerd-namespace-ttrpc"), (2, self.namespace)]
        body = encode([(1, service), (2, method), (3, encode(message)),
                       (4, int(timeout * 1e9)), (5, metadata)])
        with self.lock:
            stream = self.next_id
            self.next_id += 2
            self.socket.sendall(struct.pack(">IIBB", len(body), stream, REQUEST, 0) + body)
        return stream

    def receive(self, stream, timeout=300):
        with self.lock:
            if not self.lock.wait_for(lambda: stream in self.answers or self.closed, timeout):
                raise TimeoutError(f"no answer in {timeout} s")
            if stream not in self.answers:
                raise ConnectionError("connection closed")
            answer = decode(self.answers.pop(stream))
        if 1 in answer:
            status = decode(answer[1][0])
            code = status.get(1, [0])[0]
            if code:
                raise Status(code, status.get(2, [b""])[0].decode())
        return decode(answer.get(2, [b""])[0])

    def call(self, service, method, message, timeout=300):
        return self.receive(self.send(service, method, message), timeout)

    def close(self):
        self.socket.close()


class Task:
    """containerd.task.v2.Task (or v3) of one shim."""

    def __init__(self, address, namespace="default", version=2):
        self.client = Client(address.removeprefix("unix://"), namespace)
        self.service = f"containerd.task.v{version}.Task"

    def __call__(self, method, message, timeout=300):
        return self.client.call(self.service, method, message, timeout)

    def send(self, method, message):
        return self.client.send(self.service, method, message)
