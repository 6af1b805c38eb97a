"""What a telnet client sends (RFC 854): lines that end in CR LF, and negotiations before, between and within them."""

import socket
import sys

IAC, SE, SB, WILL, DO, DONT, NOP = 255, 240, 250, 251, 253, 254, 241
NAWS, TERMINAL_TYPE, ECHO = 31, 24, 1


def main() -> None:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30) as connection:
        lines = connection.makefile("rb")

        def read_until(text: bytes) -> bytes:
            while line := lines.readline():
                if text in line:
                    return line
            raise SystemExit(f"the end came before {text!r}")

        connection.sendall(bytes([IAC, WILL, NAWS, IAC, WILL, TERMINAL_TYPE, IAC, DO, ECHO]))
        connection.sendall(b"/nick telnet\r\n")
        read_until(b"is now telnet.")
        connection.sendall(bytes([IAC, SB, NAWS, 0, 80, 0, 10, IAC, SE]) + b"window ten lines high\r\n")
        connection.sendall(b"in the" + bytes([IAC, NOP]) + b" middle\r\n")
        connection.sendall(bytes([IAC, SB, TERMINAL_TYPE, 0]) + b"xterm" + bytes([IAC, SE, IAC, DONT, ECHO]) + b"typed\r\0\r\n")
        for said in (b"window ten lines high", b"in the middle", b"typed"):
            line = read_until(b"<telnet>")
            if line != b"<telnet> " + said + b"\n":
                raise SystemExit(f"{line!r} instead of {said!r}")
        connection.sendall(b"/quit\r\n")
        read_until(b"* Bye.")
        if lines.read() != b"":
            raise SystemExit("something came after the farewell")
    print("understood")


main()
