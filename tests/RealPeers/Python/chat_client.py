"""asyncio clients in one room of a chat: all of them must hear everything, in the same order."""

import asyncio
import sys


async def talk(port: int, number: int, people: int, lines: int, all_are_there: asyncio.Event, there: list) -> list:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"/nick person-{number}\n/join asyncio\n".encode())
    while not (await reader.readline()).startswith(b"* You are in asyncio"):
        pass
    there.append(number)
    if len(there) == people:
        all_are_there.set()
    await all_are_there.wait()
    for n in range(lines):
        writer.write(f"line {n}\r\n".encode())
        await writer.drain()
    heard = []
    while len(heard) < people * lines:
        line = await reader.readline()
        if not line:
            raise SystemExit(f"person-{number}: the end after {len(heard)} lines")
        if line.startswith(b"<"):
            heard.append(line)
    writer.write(b"/quit\n")
    await reader.read()
    writer.close()
    return heard


async def main() -> None:
    port, people, lines = map(int, sys.argv[1:])
    all_are_there, there = asyncio.Event(), []
    heard = await asyncio.gather(*(talk(port, i, people, lines, all_are_there, there) for i in range(people)))
    if any(one != heard[0] for one in heard):
        raise SystemExit("not all have heard the same")
    for i in range(people):
        said = [line for line in heard[0] if line.startswith(f"<person-{i}>".encode())]
        if said != [f"<person-{i}> line {n}\n".encode() for n in range(lines)]:
            raise SystemExit(f"person-{i} was heard out of order")
    print(f"{people} people, {lines} lines each")


asyncio.run(main())
