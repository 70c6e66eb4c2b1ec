"""A client in a sandbox that writes down all that it can see: every byte that comes over its connections, and at the end the
grant's directory, and the environment, the words and the memory of each process.

canary.py OUT SERVICE:OPERATION...
"""

import json
import os
import re
import socket
import sys

import boto3
from botocore import UNSIGNED, xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

PAGE = os.sysconf("SC_PAGE_SIZE")


def record(path):
    """http.client reads all through this."""
    log = open(path, "ab", buffering=0)
    read = socket.SocketIO.readinto

    def readinto(self, buffer):
        count = read(self, buffer)
        log.write(bytes(buffer[: count or 0]))
        return count

    socket.SocketIO.readinto = readinto


def example(shape, depth=0):
    """The least that a model takes."""
    kind = shape.type_name
    if kind == "structure":
        names = shape.required_members if depth > 0 or shape.required_members else []
        return {name: example(shape.members[name], depth + 1) for name in names}
    if kind == "list":
        return [example(shape.member, depth + 1)] * max(1, shape.metadata.get("min", 1))
    if kind == "map":
        return {"x" * 8: example(shape.value, depth + 1)}
    if kind == "string":
        if shape.enum:
            return shape.enum[0]
        # Some are parts of a host or an ARN.
        return "x" * max(24, shape.metadata.get("min", 0))
    if kind == "blob":
        return b"x"
    if kind == "boolean":
        return True
    if kind == "timestamp":
        return "2026-01-01T00:00:00Z"
    return max(1, shape.metadata.get("min", 1))


def at_loopback(request, **_):
    request.url = re.sub(r"//[^/]*127\.0\.0\.1", "//127.0.0.1", request.url)


def call(title, signature):
    """@returns the error that the SDK shows"""
    service, operation = title.split(":")
    config = Config(
        inject_host_prefix=False, parameter_validation=False, signature_version=signature
    )
    client = boto3.client(service, config=config)
    model = client.meta.service_model.operation_model(operation)
    if signature is None:
        # Where the model asks for none, too.
        event = f"choose-signer.{client.meta.service_model.service_id.hyphenize()}.{operation}"
        client.meta.events.register_first(event, lambda **_: "s3v4" if service == "s3" else "v4")
    # S3 Control has the account in its host.
    client.meta.events.register_first("before-sign", at_loopback)
    parameters = example(model.input_shape) if model.input_shape else {}
    try:
        answer = getattr(client, xform_name(operation))(**parameters)
    except ClientError as error:
        return error.response["Error"].get("Message", "")
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return json.dumps(answer, default=str)


def files(directory):
    for path, _, names in os.walk(directory):
        for name in names:
            yield os.path.join(path, name)


def memory(pid):
    """What a process has in its memory; of what it has only reserved there is nothing to read."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as mem, open(
        f"/proc/{pid}/pagemap", "rb", buffering=0
    ) as pages:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found is None:
                continue
            begin, end = (int(text, 16) // PAGE for text in found.groups())
            for first in range(begin, end, 2**16):
                count = min(2**16, end - first)
                entries = os.pread(pages.fileno(), 8 * count, 8 * first)
                if entries.count(0) == len(entries):
                    continue
                for at in range(count):
                    # Present, or swapped out.
                    if entries[8 * at + 7] & 0xC0:
                        try:
                            yield os.pread(mem.fileno(), PAGE, (first + at) * PAGE)
                        except OSError:
                            pass


def main(out, *titles):
    record(f"{out}/connections")
    answers = {title: [call(title, None), call(title, UNSIGNED)] for title in titles}
    with open(f"{out}/answers.json", "w") as file:
        json.dump(answers, file)
    with open(f"{out}/mount", "wb") as log:
        for path in files(os.path.dirname(os.environ["AWS_CONFIG_FILE"])):
            log.write(f"\n{path}\n".encode())
            try:
                log.write(open(path, "rb").read())
            except OSError as error:
                log.write(str(error).encode())
    seen = {}
    with open(f"{out}/processes", "wb") as log:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with open(f"/proc/{pid}/cmdline") as file:
                words = file.read().split("\0")
            # Its own memory has its own log.
            parts = seen[" ".join(words[:2])] = []
            for name in ["environ", "cmdline", "maps", "status", "net/unix", "mountinfo", "mem"]:
                try:
                    if name != "mem":
                        log.write(open(f"/proc/{pid}/{name}", "rb").read())
                    else:
                        for page in memory(pid):
                            log.write(page)
                    parts.append(name)
                except OSError as error:
                    log.write(f"{name}: {error}".encode())
            for name in os.listdir(f"/proc/{pid}/fd") if os.access(f"/proc/{pid}/fd", os.R_OK) else []:
                try:
                    log.write(os.readlink(f"/proc/{pid}/fd/{name}").encode())
                except OSError:
                    pass
    with open(f"{out}/seen.json", "w") as file:
        json.dump(seen, file)


main(*sys.argv[1:])
