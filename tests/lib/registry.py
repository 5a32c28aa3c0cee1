# SPDX-License-Identifier: Apache-2.0
"""A registry of container images on the loopback interface: what a containerd needs to pull (the
distribution specification's GET and HEAD of manifests and blobs), from OCI archives.

An archive called `a_b=tag.tar` is repository a/b, whatever stands before that in the path of a request:
mirrors of several registries can be one."""

import hashlib
import http.server
import json
import os
import tarfile
import threading

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry:
    def __init__(self, directory):
        self.blobs, self.tags = {}, {}
        for name in sorted(os.listdir(directory)):
            repository, tag = name.removesuffix(".tar").rsplit("=", 1)
            self.add(os.path.join(directory, name), repository.replace("_", "/"), tag)
        handler = type("Handler", (Handler,), {"registry": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, archive, repository, tag):
        with tarfile.open(archive) as tar:
            for member in tar:
                data = tar.extractfile(member).read() if member.isfile() else b""
                if "/blobs/sha256/" in member.name:
                    self.blobs["sha256:" + hashlib.sha256(data).hexdigest()] = data
                elif member.name.endswith("index.json"):
                    self.tags[repository, tag] = json.loads(data)["manifests"][0]["digest"]

    def find_manifest(self, path, reference):
        """The digest; None if there is no such image."""
        if reference in self.blobs:
            return reference
        for (repository, tag), digest in self.tags.items():
            if tag == reference and (path == repository or path.endswith("/" + repository)):
                return digest
        return None

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry = None

    def answer(self, code, data=b"", kind="application/json", digest=None):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_GET(self):
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts == ["v2"]:
            self.answer(200, b"{}")
        elif len(parts) > 3 and parts[-2] == "manifests":
            digest = self.registry.find_manifest("/".join(parts[1:-2]), parts[-1])
            if digest:
                self.answer(200, self.registry.blobs[digest], MANIFEST, digest)
            else:
                self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
        elif len(parts) > 3 and parts[-2] == "blobs" and parts[-1] in self.registry.blobs:
            self.answer(200, self.registry.blobs[parts[-1]], "application/octet-stream", parts[-1])
        else:
            self.answer(404, b'{"errors":[{"code":"BLOB_UNKNOWN"}]}')

    do_HEAD = do_GET

    def log_message(self, *args):
        pass
