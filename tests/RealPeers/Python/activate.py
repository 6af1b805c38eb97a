"""Starts a program as systemd does by a socket unit: it listens, says where, and becomes the program, which has the sockets.

activate.py KINDS COMMAND...  where each kind is listening, bound, datagram or file; "stranger" first passes them to another
process.
"""

import os
import socket
import sys


def make(kind: str) -> int:
    if kind == "file":
        return os.open(os.devnull, os.O_RDONLY)
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "datagram" else socket.SOCK_STREAM)
    one.bind(("127.0.0.1", 0))
    if kind == "listening":
        one.listen()
        print(f"activated {one.getsockname()[1]}", flush=True)
    return one.detach()


def main() -> None:
    kinds, command = sys.argv[1].split(","), sys.argv[2:]
    is_stranger = kinds[0] == "stranger"
    made = [make(kind) for kind in kinds[is_stranger:]]
    # Out of the way of the numbers that they are to have.
    moved = [os.dup2(descriptor, 100 + i) for i, descriptor in enumerate(made)]
    for i, descriptor in enumerate(moved):
        os.dup2(descriptor, 3 + i, inheritable=True)
    os.environ["LISTEN_PID"] = "1" if is_stranger else str(os.getpid())
    os.environ["LISTEN_FDS"] = str(len(made))
    os.environ["LISTEN_FDNAMES"] = ":".join(kinds[is_stranger:])
    os.closerange(3 + len(made), 200)
    os.execvp(command[0], command)


main()
