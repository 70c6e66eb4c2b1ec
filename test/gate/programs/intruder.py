"""What a process of the same user tries from inside a sandbox that holds one grant: `intruder.py JSON`, which says what
it may know, since it ran outside before. Prints what lies open, as a list of JSON."""
import itertools
import json
import os
import re
import secrets
import socket
import stat
import subprocess
import sys

KNOWN = json.loads(sys.argv[1])
HOME, KEYHOLE = KNOWN["home"], KNOWN["keyhole"]
OWN = os.path.dirname(os.environ["AWS_CONFIG_FILE"])
CONTROL = KEYHOLE + "/sock/daemon.sock"
NAME = re.compile(rb"/g/([A-Za-z0-9_-]{22})(?![\w-])")
found = set()


def reachable(path):
    """Whether something accepts there."""
    try:
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(2)
            peer.connect(path)
            return True
    except OSError:
        return False


def read(path, size=1 << 20):
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return file.read(size)
    except OSError:
        return b""


def names(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def is_own(path):
    try:
        return os.path.samefile(path, OWN)
    except OSError:
        return False


def roots():
    """This root, and that of every process whose one can be entered."""
    return [""] + [f"/proc/{pid}/root" for pid in names("/proc") if pid.isdigit()]


def control_socket():
    listed = [line.split()[-1] for line in read("/proc/net/unix").decode(errors="replace").splitlines() if "/" in line]
    paths = [CONTROL] + [path for path in listed if "daemon.sock" in path or path.startswith(KEYHOLE + "/sock")]
    for path in paths:
        for root in roots():
            if reachable(root + path):
                found.add("control socket")


def keyhole_home():
    for root in roots():
        for name in ("", "/configs", "/grants", "/logs", "/bin", "/run", "/sock"):
            for entry in names(f"{root}{KEYHOLE}{name}"):
                if read(f"{root}{KEYHOLE}{name}/{entry}"):
                    found.add(f"keyhole's home: {name}/{entry}")
        for path in KNOWN["files"]:
            if read(root + path):
                found.add(f"file {path}")


def known_names():
    """Names of directories out of whatever can be read."""
    texts = [b"\n".join(f"/g/{name}".encode() for parent in KNOWN["parents"] for name in names(parent))]
    for directory, below, files in os.walk(KEYHOLE, onerror=lambda _: None):
        below[:] = [name for name in below if name != "g"]
        texts += [read(os.path.join(directory, file)) for file in files]
    for pid in filter(str.isdigit, names("/proc")):
        for name in ("cmdline", "environ", "maps", "mountinfo"):
            texts.append(read(f"/proc/{pid}/{name}"))
        links = ["exe", "cwd", "root"] + [f"fd/{number}" for number in names(f"/proc/{pid}/fd")]
        for link in links:
            try:
                texts.append(os.readlink(f"/proc/{pid}/{link}").encode())
            except OSError:
                pass
    return {name.decode() for text in texts for name in NAME.findall(text)}


def other_grants():
    for parent in KNOWN["parents"]:
        try:
            os.chmod(parent, 0o755)
        except OSError:
            pass
    guesses = [secrets.token_urlsafe(16) for _ in range(1000)] + [".", "..", "*"]
    for name in [*KNOWN["grants"], *KNOWN["ids"], *known_names(), *guesses]:
        for parent in KNOWN["parents"]:
            path = f"{parent}/{name}"
            if is_own(path):
                continue
            if read(path + "/lease.json") or read(path + "/aws-config") or reachable(path + "/sock"):
                found.add(f"grant {name}")


def processes():
    pid = KNOWN["pid"]
    if b"keyhole" in read(f"/proc/{pid}/comm"):
        found.add("the daemon in /proc")
        try:
            os.kill(pid, 0)
            found.add("the daemon's signals")
        except OSError:
            pass
        for name in ("environ", "mem", "maps"):
            if read(f"/proc/{pid}/{name}", 1):
                found.add(f"the daemon's {name}")


def commands():
    """By executables of its own: the one that stands here, and the grant's."""
    programs = [program for program in ("./keyhole", f"{OWN}/keyhole") if os.path.exists(program)]
    environment = {"HOME": HOME, "PATH": os.environ["PATH"], "KEYHOLE_AUTOSTART": "0"}
    for words in ("export -n prod -f env", "grant add stolen --config prod", "grant list", "daemon list", "daemon stop"):
        for program, place in itertools.product(programs, ([], ["--socket-path", CONTROL])):
            command = [program, *place, *words.split()]
            ended = subprocess.run(command, env=environment, capture_output=True, stdin=subprocess.DEVNULL)
            # Where there is no daemon, none is as good as stopped.
            if ended.returncode == 0 and (words != "daemon stop" or b"(pid" in ended.stderr):
                found.add(f"keyhole {words}")


def own_place():
    """What is there must be the daemon's alone."""
    for path in [OWN, *(f"{OWN}/{name}" for name in names(OWN))]:
        try:
            os.chmod(path, stat.S_IMODE(os.stat(path).st_mode))
            found.add("the grant's own place can be changed")
        except OSError:
            pass


def bystanders():
    """What is the user's and not keyhole's: a sandbox that hides only what it is told to leaves it open."""
    if read(KNOWN["bystanders"]["file"]):
        found.add("your other files")
    if reachable(KNOWN["bystanders"]["socket"]):
        found.add("your other sockets")


control_socket()
keyhole_home()
other_grants()
processes()
own_place()
bystanders()
# The last one may end the daemon.
commands()
print(json.dumps(sorted(found)))
