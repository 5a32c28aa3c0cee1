# SPDX-License-Identifier: Apache-2.0
"""The other end of a vhost-user network device: a host of its own that answers ARP and ping. What a software switch
does, for one guest and as slowly as Python is; the protocol is that of QEMU's docs/interop/vhost-user.rst."""

import mmap
import os
import select
import socket
import struct
import threading

GET_FEATURES, SET_MEM_TABLE, GET_PROTOCOL_FEATURES = 1, 5, 15
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK, SET_VRING_CALL = range(8, 14)
VERSION_1 = 1 << 32  # virtio's, so that every frame has a header of twelve bytes
PROTOCOL_FEATURES = 1 << 30
REPLY = 0x5  # flags: version 1, an answer
NO_FD = 1 << 8
RECEIVE, TRANSMIT = 0, 1  # queues, as the guest calls them
NEXT = 1  # of a descriptor
HEADER = 12


class Queue:
    def __init__(self):
        self.size = self.base = 0
        self.desc = self.avail = self.used = None
        self.kick = self.call = -1


class Peer:
    """Listens on `path` at once; the rest is a thread."""

    def __init__(self, path, address, hardware=b"\x02\x00\x00\x00\x31\x01"):
        self.address, self.hardware = socket.inet_aton(address), hardware
        self.queues, self.regions, self.pings = [Queue(), Queue()], [], 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        self.listener.close()

    def serve(self):
        connection = self.listener.accept()[0]
        while True:
            kick = self.queues[TRANSMIT].kick
            ready = select.select([connection] + ([kick] if kick >= 0 else []), [], [])[0]
            if kick in ready:
                os.read(kick, 8)
                self.transmit()
            if connection in ready and not self.message(connection):
                return

    # The connection.

    def message(self, connection):
        head, fds, _, _ = socket.recv_fds(connection, 12, 8)
        if len(head) < 12:
            return False
        request, _, size = struct.unpack("=III", head)
        payload = connection.recv(size, socket.MSG_WAITALL) if size else b""
        answer = self.handle(request, payload, fds)
        if answer is not None:
            connection.sendall(struct.pack("=III", request, REPLY, len(answer)) + answer)
        return True

    def handle(self, request, payload, fds):
        if request == GET_FEATURES:
            return struct.pack("=Q", VERSION_1 | PROTOCOL_FEATURES)
        if request == GET_PROTOCOL_FEATURES:
            return struct.pack("=Q", 0)
        if request == SET_MEM_TABLE:
            self.regions = []
            for i in range(struct.unpack_from("=I", payload)[0]):
                guest, size, user, offset = struct.unpack_from("=QQQQ", payload, 8 + 32 * i)
                self.regions.append((guest, size, user, offset, mmap.mmap(fds[i], offset + size)))
        elif request in (SET_VRING_NUM, SET_VRING_BASE, GET_VRING_BASE):
            index, number = struct.unpack("=II", payload)
            queue = self.queues[index]
            if request == GET_VRING_BASE:
                queue.kick = -1
                return struct.pack("=II", index, queue.base)
            setattr(queue, "size" if request == SET_VRING_NUM else "base", number)
        elif request == SET_VRING_ADDR:
            index, _, desc, used, avail, _ = struct.unpack("=IIQQQQ", payload)
            queue = self.queues[index]
            queue.desc, queue.used, queue.avail = (self.find(a, 2) for a in (desc, used, avail))
        elif request in (SET_VRING_KICK, SET_VRING_CALL):
            number = struct.unpack("=Q", payload)[0]
            setattr(self.queues[number & 0xff], "kick" if request == SET_VRING_KICK else "call", -1 if number & NO_FD else fds[0])
        return None

    def find(self, address, column):
        """(memory, where in it) of an address of the guest (0) or of QEMU (2)."""
        for region in self.regions:
            if region[column] <= address < region[column] + region[1]:
                return region[4], address - region[column] + region[3]
        raise ValueError(f"no memory at {address:#x}")

    # The queues.

    def take(self, index):
        """The next chain of descriptors: its head and [(memory, at, length)]; None: there is none."""
        queue = self.queues[index]
        memory, at = queue.avail
        if struct.unpack_from("=H", memory, at + 2)[0] == queue.base & 0xffff:
            return None
        head = number = struct.unpack_from("=H", memory, at + 4 + 2 * (queue.base % queue.size))[0]
        queue.base = (queue.base + 1) & 0xffff
        parts, flags = [], NEXT
        while flags & NEXT:
            memory, at = queue.desc
            address, length, flags, following = struct.unpack_from("=QIHH", memory, at + 16 * number)
            parts.append((*self.find(address, 0), length))
            number = following
        return head, parts

    def give(self, index, head, length):
        queue = self.queues[index]
        memory, at = queue.used
        count = struct.unpack_from("=H", memory, at + 2)[0]
        struct.pack_into("=II", memory, at + 4 + 8 * (count % queue.size), head, length)
        struct.pack_into("=H", memory, at + 2, (count + 1) & 0xffff)
        if queue.call >= 0:
            os.write(queue.call, struct.pack("=Q", 1))

    def transmit(self):
        while (taken := self.take(TRANSMIT)) is not None:
            head, parts = taken
            frame = b"".join(memory[at:at + length] for memory, at, length in parts)[HEADER:]
            self.give(TRANSMIT, head, 0)
            answer = self.answer(frame)
            if answer:
                self.receive(answer)

    def receive(self, frame):
        taken = self.take(RECEIVE)
        if taken is None:
            return
        head, parts = taken
        rest = bytes(HEADER - 2) + struct.pack("=H", 1) + frame  # in one chain
        total = len(rest)
        for memory, at, length in parts:
            memory[at:at + len(rest[:length])] = rest[:length]
            rest = rest[length:]
        self.give(RECEIVE, head, total)

    # The host.

    def answer(self, frame):
        kind = frame[12:14]
        if kind == b"\x08\x06" and frame[20:22] == b"\x00\x01" and frame[38:42] == self.address:
            return frame[6:12] + self.hardware + frame[12:20] + b"\x00\x02" + self.hardware + self.address + frame[22:32]
        if kind == b"\x08\x00" and frame[23] == 1 and frame[30:34] == self.address and frame[34] == 8:
            self.pings += 1
            total = struct.unpack(">H", frame[16:18])[0]
            echo = b"\x00\x00\x00\x00" + frame[38:14 + total]
            echo = echo[:2] + checksum(echo) + echo[4:]
            return frame[6:12] + self.hardware + frame[12:26] + self.address + frame[26:30] + echo
        return None


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data[:len(data) // 2 * 2])) + (data[-1] << 8 if len(data) % 2 else 0)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return struct.pack(">H", ~total & 0xffff)
