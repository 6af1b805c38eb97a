"""An asyncio client of an echo server: connections at once, messages of many sizes, and a half-close."""

import asyncio
import random
import sys


async def converse(port: int, seed: int, messages: int) -> None:
    chance = random.Random(seed)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(messages):
        message = chance.randbytes(chance.choice((1, 100, 5_000, 100_000)))
        writer.write(message)
        echo, _ = await asyncio.gather(reader.readexactly(len(message)), writer.drain())
        if echo != message:
            raise SystemExit(f"connection {seed}: the echo is not what was sent")
    writer.write(b"the last words")
    writer.write_eof()
    rest = await reader.read()
    if rest != b"the last words":
        raise SystemExit(f"connection {seed}: {rest!r} came after the end")
    writer.close()
    await writer.wait_closed()


async def main() -> None:
    port, connections, messages = map(int, sys.argv[1:])
    await asyncio.gather(*(converse(port, seed, messages) for seed in range(connections)))
    print(f"{connections} connections, {messages} messages each")


asyncio.run(main())
