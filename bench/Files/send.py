"""Sends a file with asyncio to a port of this machine, by sendfile or by reading and writing it.

    send.py sendfile|copy PORT PATH        prints the seconds of processor time that took, the second time
"""

import asyncio
import resource
import sys

CHUNK = 64 * 1024


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def main(way, port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with open(path, "rb", buffering=0) as file:
        before = used()
        if way == "sendfile":
            await asyncio.get_running_loop().sendfile(writer.transport, file, fallback=False)
        else:
            while chunk := file.read(CHUNK):
                writer.write(chunk)
                await writer.drain()
        writer.write_eof()
        await reader.read()  # the other side has it all
        writer.close()
        return used() - before


for _ in range(2):
    taken = asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
print(taken)
