"""A server on asyncio's protocols or streams, on its own loop or on uvloop.

    server.py asyncio|uvloop echo|framed|bulk|streams|datagrams [--tls CERTIFICATE KEY]
                                                           says "listening PORT", and ends with its standard input
    server.py asyncio|uvloop --version                     says which
"""

import asyncio
import resource
import ssl
import sys

FRAME = 64


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


class Framed(Echo):
    """Answers each frame with a write of its own."""

    def __init__(self):
        self.rest = b""

    def data_received(self, data):
        if self.rest:
            data = self.rest + data
        write = self.transport.write
        end = len(data) - len(data) % FRAME
        for start in range(0, end, FRAME):
            write(data[start:start + FRAME])
        self.rest = data[end:]


class Bulk(asyncio.Protocol):
    """Counts, and says at the end how much there was."""

    def connection_made(self, transport):
        self.transport = transport
        self.count = 0

    def data_received(self, data):
        self.count += len(data)

    def eof_received(self):
        self.transport.write(self.count.to_bytes(8, "little"))


class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data, address)


async def echo(reader, writer):
    """Echoes with streams, as asyncio's guide has it."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def serve(protocol, context):
    loop = asyncio.get_running_loop()
    if protocol is Datagrams:
        transport, _ = await loop.create_datagram_endpoint(protocol, local_addr=("127.0.0.1", 0))
        name = transport.get_extra_info("sockname")
    elif protocol is None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, backlog=4096, ssl=context)
    else:
        server = await loop.create_server(protocol, "127.0.0.1", 0, backlog=4096, ssl=context)
    if protocol is not Datagrams:
        name = server.sockets[0].getsockname()
    ended = loop.create_future()
    loop.add_reader(0, lambda: ended.done() or ended.set_result(None))
    print("listening", name[1], flush=True)
    await ended


def main():
    kind, mode, *files = sys.argv[1:]
    if kind == "uvloop":
        import uvloop

        uvloop.install()
    if mode == "--version":
        python = "CPython " + sys.version.split()[0]
        print(f"uvloop {uvloop.__version__}, {python}" if kind == "uvloop" else python)
        return

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    context = None
    if files:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(files[1], files[2])
    modes = {"echo": Echo, "framed": Framed, "bulk": Bulk, "streams": None, "datagrams": Datagrams}
    asyncio.run(serve(modes[mode], context))


main()
