"""What a hostile process does in a sandbox that holds one grant: `attack.py NAME`, its parameters as a line of JSON on
stdin, its result as a line of JSON on stdout. An attack that goes on says `ready` first, and ends with its stdin."""
import ctypes
import errno
import json
import os
import random
import select
import shutil
import socket
import stat
import struct
import subprocess
import sys
import threading
import time

MOUNT = "/run/keyhole"
SOCK = MOUNT + "/sock"
# wire/PROTOCOL.md#fetch-15: length, version 1, message 15, no body.
FETCH = bytes.fromhex("00000002010f")
FETCHED, ERROR = 0x0F, 0xFF
LIBC = ctypes.CDLL(None, use_errno=True)


def dial(path=SOCK):
    while True:
        peer = socket.socket(socket.AF_UNIX)
        try:
            peer.connect(path)
            return peer
        except BlockingIOError:
            peer.close()
            time.sleep(0.001)


def receive(peer, size):
    data = b""
    while len(data) < size:
        more = peer.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def read_frame(peer):
    """The message number, and the whole frame."""
    head = receive(peer, 4)
    rest = receive(peer, struct.unpack(">I", head)[0])
    return rest[1], head + rest


def read_all(peer):
    data = b""
    try:
        while more := peer.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


def frames_in(data):
    found = []
    while data:
        size = 4 + struct.unpack(">I", data[:4])[0]
        assert len(data) >= size, "a frame that is not whole"
        found.append(data[:size])
        data = data[size:]
    return found


def fetch(path=SOCK):
    with dial(path) as peer:
        peer.sendall(FETCH)
        return read_frame(peer)


def line_of(frame):
    """The credential_process line at the end of an answer."""
    return json.loads(frame[frame.index(b'{"Version"'):])


def ready():
    print("ready", flush=True)


def is_over():
    return bool(select.select([sys.stdin], [], [], 0)[0])


# One after the other.

def ask(_):
    """The access key id, or the bytes of the refusal."""
    number, frame = fetch()
    return {"key": line_of(frame)["AccessKeyId"]} if number == FETCHED else {"refusal": frame.hex()}


def send(parameters):
    """Every request on a connection of its own, and all of them on one."""
    def answers(data):
        with dial() as peer:
            peer.settimeout(30)
            try:
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return [frame.hex() for frame in frames_in(read_all(peer))]
    requests = [bytes.fromhex(request) for request in parameters["requests"]]
    return {"alone": [answers(request) for request in requests], "together": answers(b"".join(requests))}


def send_random(parameters):
    """Noise, and requests that were changed, some of them to a Fetch. Counts the kinds of answers."""
    numbers = random.Random(parameters["seed"])
    originals = [bytes.fromhex(request) for request in parameters["requests"]]
    counts, sent = {}, 0
    while sent < parameters["count"]:
        with dial() as peer:
            data = b""
            for _ in range(20):
                sent += 1
                request = bytearray(numbers.choice(originals))
                if numbers.random() < 0.7:
                    # What stands behind the length: a whole frame, whatever it says.
                    for _ in range(numbers.randrange(4)):
                        request[numbers.randrange(4, len(request))] = numbers.randrange(256)
                elif numbers.random() < 0.2:
                    request = bytearray(numbers.randbytes(numbers.randrange(1, 64)))
                data += request
            try:
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError):
                pass
            for frame in frames_in(read_all(peer)):
                counts[frame.hex() if frame[5] == ERROR else frame[5]] = True
    return {"sent": sent, "kinds": sorted(map(str, counts))}


def search(parameters):
    """Files with one of these texts in them, wherever this process can look; one is planted, to be found."""
    with open("/tmp/planted", "w") as file:
        file.write(f"x{parameters['canaries'][-1]}x")
    canaries = [text.encode() for text in parameters["canaries"]]
    skipped = {"/usr", "/sys", f"/proc/{os.getpid()}", "/proc/self", "/proc/thread-self"}
    found, looked = [], 0
    for directory, names, files in os.walk("/", onerror=lambda _: None):
        names[:] = [name for name in names if os.path.join(directory, name) not in skipped]
        for name in files:
            path = os.path.join(directory, name)
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            except OSError:
                continue
            try:
                data = os.read(descriptor, 1 << 20)
                looked += 1
                if any(canary in data for canary in canaries):
                    found.append(path)
            except OSError:
                pass
            finally:
                os.close(descriptor)
    return {"found": found, "looked": looked}


def read_memory(_):
    """What of other processes, the host's too where they are seen, can be read. One does not defend itself."""
    child = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    read, seen = [], []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) in (os.getpid(), os.getppid()):
            continue
        seen.append(int(pid))
        for name in ("mem", "environ", "maps"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    if name == "mem" or file.read(1):
                        read.append(f"{pid} {open(f'/proc/{pid}/comm').read().strip()} {name}")
            except OSError:
                pass
    child.kill()
    return {"seen": seen, "read": read, "open": child.pid}


def meddle(_):
    """Changes everything in the mount that it can; the errno names of what it could not."""
    def name_of(action):
        try:
            action()
            return "done"
        except OSError as error:
            return errno.errorcode[error.errno]
    return {
        "chmod": name_of(lambda: os.chmod(MOUNT, 0o777)),
        "create": name_of(lambda: open(MOUNT + "/new", "x")),
        "write": name_of(lambda: open(MOUNT + "/aws-config", "w")),
        "unlink": name_of(lambda: os.unlink(SOCK)),
        "rename": name_of(lambda: os.rename(SOCK, MOUNT + "/other")),
        "link": name_of(lambda: os.symlink("/etc", MOUNT + "/link")),
        "up": sorted(os.listdir(MOUNT + "/..")),
    }


def see_sockets(_):
    return open("/proc/net/unix").read()


def pass_on(_):
    """A process connects, hands the connection to a child, and ends; the child asks when its parent is gone."""
    result, answer = os.pipe()
    if os.fork() == 0:
        peer = dial()
        alive, end = os.pipe()
        if os.fork() != 0:
            os._exit(0)
        os.close(end)
        os.read(alive, 1)
        peer.sendall(FETCH)
        os.write(answer, bytes([read_frame(peer)[0]]))
        os._exit(0)
    os.wait()
    return {"number": os.read(result, 1)[0]}


def run(parameters):
    """Runs programs; as they are called, or copied to another place first."""
    outcomes = []
    for command in parameters["commands"]:
        ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        outcomes.append({"exitCode": ended.returncode, "stdout": ended.stdout, "stderr": ended.stderr})
    return outcomes


def write_slowly(parameters):
    """One byte a second, or all of it at once; the milliseconds until the connection is closed."""
    began = time.monotonic()
    data = bytes.fromhex(parameters["bytes"])
    pieces = [data] if parameters.get("at") == "once" else [bytes([byte]) for byte in data[:-1]]
    with dial() as peer:
        peer.settimeout(1)
        for piece in pieces:
            try:
                peer.sendall(piece)
                while peer.recv(4096):
                    pass
                break
            except TimeoutError:
                pass
            except OSError:
                break
    return (time.monotonic() - began) * 1000


def squat(_):
    """Starts a daemon of its own where the grant's socket was, and ends it when it is ready."""
    os.unlink(SOCK)
    command = [MOUNT + "/keyhole", "--daemon", "-sp", SOCK]
    daemon = subprocess.Popen(command, env={"HOME": "/tmp"}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    line = daemon.stdout.readline()
    daemon.terminate()
    return {"line": line, "exit": daemon.wait()}


def ask_as(parameters):
    """By a copy of the executable with a name of its choice, which is its comm as well."""
    name = parameters["name"]
    path = b"/tmp/" + (b"\xff\xfe\x1b" if name is None else name.encode())
    shutil.copy(MOUNT + "/keyhole", path)
    command = [path, "-sp", SOCK, "export", "-f", "credential-process"]
    ended = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env={"HOME": "/tmp"})
    return {"exitCode": ended.returncode, "stderr": ended.stderr}


def ask_often(parameters):
    """On one connection, all at once."""
    began = time.monotonic()
    with dial() as peer:
        peer.sendall(FETCH * parameters["count"])
        kinds = [read_frame(peer)[0] for _ in range(parameters["count"])]
    return {"kinds": kinds, "milliseconds": (time.monotonic() - began) * 1000}


def time_fetches(parameters):
    """Milliseconds of each request on a connection of its own. Anything but credentials is an error."""
    times = []
    for _ in range(parameters["count"]):
        began = time.perf_counter()
        number, _ = fetch()
        times.append((time.perf_counter() - began) * 1000)
        assert number == FETCHED, number
    return times


# Going on until stdin ends.

def besiege(parameters):
    """Idle connections, 400 MiB in a frame, a byte a second, an asker who never reads, and askers who wait for STS."""
    counts = {"idle": 0, "huge": 0, "slow": 0, "deaf": 0, "waiting": 0}
    over = threading.Event()

    def repeat(name, action):
        def forever():
            while not over.is_set():
                counts[name] += 1
                try:
                    action()
                except OSError:
                    pass
        threading.Thread(target=forever, daemon=True).start()

    def send_huge():
        with dial() as peer:
            peer.settimeout(5)
            peer.sendall(struct.pack(">I", 400 << 20))
            block = b"A" * (1 << 20)
            for _ in range(400):
                peer.sendall(block)

    def send_slowly():
        with dial() as peer:
            peer.settimeout(1)
            for byte in FETCH:
                peer.sendall(bytes([byte]))
                # The pace is the attack. A connection that was cut says so at once.
                try:
                    if not peer.recv(1):
                        return
                except TimeoutError:
                    pass

    def ask_deaf():
        with dial() as peer:
            peer.settimeout(5)
            while not over.is_set():
                peer.sendall(FETCH * 1024)

    def ask_and_wait():
        with dial() as peer:
            peer.settimeout(5)
            peer.sendall(FETCH)
            peer.recv(1)

    repeat("huge", send_huge)
    repeat("slow", send_slowly)
    repeat("deaf", ask_deaf)
    for _ in range(4):
        repeat("waiting", ask_and_wait)
    idle = []
    for _ in range(parameters["idle"]):
        idle.append(dial())
        counts["idle"] += 1
    ready()
    sys.stdin.read()
    over.set()
    return counts


def crowd(parameters):
    """Connections of a byte each that stay, and as many MiB as are taken on one more."""
    peers = []
    for _ in range(parameters["connections"]):
        peer = dial()
        try:
            peer.sendall(bytes.fromhex(parameters["first"]))
        except OSError:
            pass
        peers.append(peer)
    sent = 0
    with dial() as peer:
        try:
            for sent in range(parameters["endless"]):
                peer.sendall(b"A" * (1 << 20))
        except OSError:
            pass
    ready()
    sys.stdin.read()
    return {"connections": len(peers), "endless": sent}


def wait(parameters):
    """Asks on as many connections, and counts the credentials that came when stdin ends."""
    peers = [dial() for _ in range(parameters["askers"])]
    for peer in peers:
        peer.sendall(FETCH)
    ready()
    sys.stdin.read()
    answers = 0
    for peer in peers:
        try:
            answers += read_frame(peer)[0] == FETCHED
        except (EOFError, ConnectionResetError):
            pass
    return {"answers": answers}


def poll(_):
    """Runs the mounted executable every 100 ms. The longest times between two answers, and what was no answer."""
    answers, failures, keys = [time.monotonic()], [], []
    ready()
    while not is_over():
        begun = time.monotonic()
        ended = subprocess.run([MOUNT + "/keyhole"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if ended.returncode == 0:
            answers.append(time.monotonic())
            keys.append(json.loads(ended.stdout)["AccessKeyId"])
        else:
            failures.append([ended.returncode, ended.stderr])
        select.select([sys.stdin], [], [], max(0, begun + 0.1 - time.monotonic()))
    gaps = sorted((sooner - later) * 1000 for sooner, later in zip(answers, answers[1:]))
    return {"longest": [-gap for gap in gaps[:3]], "answers": len(keys), "keys": len(set(keys)), "failures": failures}


def swap(parameters):
    """Puts links, FIFOs, sockets, directories and devices in the place of everything in a writable mount, in a loop."""
    numbers = random.Random(parameters["seed"])
    names = ["sock", "aws-config", "credentials", "env", "keyhole", "lease.json"]
    victims, rounds = parameters["victims"], 0

    def make_socket(path):
        # 108 bytes.
        with socket.socket(socket.AF_UNIX) as squatter:
            squatter.bind(path)

    kinds = [
        lambda path: os.symlink(numbers.choice(victims), path),
        os.mkfifo,
        lambda path: os.makedirs(path + "/a/b"),
        make_socket,
        lambda path: open(path, "w").close(),
        lambda path: os.link(f"{MOUNT}/{numbers.choice(names)}", path),
        # /dev/zero, where that is permitted.
        lambda path: os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5)),
    ]
    ready()
    while not is_over():
        rounds += 1
        path, spare = f"{MOUNT}/{numbers.choice(names)}", f"{MOUNT}/spare"
        try:
            if numbers.random() < 0.1:
                os.chmod(MOUNT, numbers.choice([0o777, 0o000, 0o700]))
            numbers.choice(kinds)(spare)
            # renameat2(2): both change places at once.
            if LIBC.renameat2(-100, spare.encode(), -100, path.encode(), 2) != 0:
                os.rename(spare, path)
        except OSError:
            pass
        if os.path.lexists(spare):
            (shutil.rmtree if os.path.isdir(spare) and not os.path.islink(spare) else os.unlink)(spare)
    return {"rounds": rounds}


def watch(parameters):
    """Asks over each way as fast as it can. For each: when the last credentials came, and the first refusal, in
    milliseconds since the epoch; for a connection that is held, when it was closed."""
    seen, ways, threads = {}, {}, []

    def follow(name, get):
        ways[name] = {"last": 0, "refused": None, "closed": None}

        def forever():
            first = True
            while ways[name]["refused"] is None and ways[name]["closed"] is None:
                try:
                    given = get()
                except (OSError, EOFError, AssertionError):
                    ways[name]["closed"] = time.time() * 1000
                    return
                ways[name]["last" if given else "refused"] = time.time() * 1000
                if first:
                    first = False
                    seen[name].set()
        seen[name] = threading.Event()
        threads.append(threading.Thread(target=forever, daemon=True))
        threads[-1].start()

    def over_held(peer):
        def get():
            peer.sendall(FETCH)
            return read_frame(peer)[0] == FETCHED
        return get

    def over_http():
        import urllib.error
        import urllib.request
        told = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
        told.add_header("Authorization", os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
        try:
            with urllib.request.urlopen(told) as answer:
                return b"SecretAccessKey" in answer.read()
        except urllib.error.HTTPError:
            return False

    def over_file():
        with open(MOUNT + "/lease.json") as file:
            return "SecretAccessKey" in file.read()

    def idle(peer):
        def get():
            assert peer.recv(1)
        return get

    if "sock" in parameters["ways"]:
        follow("socket", lambda: fetch()[0] == FETCHED)
        follow("held", over_held(dial()))
        peer = dial()
        follow("idle", idle(peer))
        seen["idle"].set()
    if "bridge" in parameters["ways"]:
        follow("bridge", lambda: fetch(parameters["at"])[0] == FETCHED)
    if "relay" in parameters["ways"]:
        follow("relay", over_http)
    if "file" in parameters["ways"]:
        follow("file", over_file)
    for event in seen.values():
        event.wait()
    ready()
    sys.stdin.read()
    for thread in threads:
        thread.join()
    return ways


def main():
    parameters = json.loads(sys.stdin.readline() or "null")
    print(json.dumps(globals()[sys.argv[1]](parameters)), flush=True)


main()
