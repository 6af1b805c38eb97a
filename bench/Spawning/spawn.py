"""Starts a child and waits for it, one after the other, as a user of asyncio does.

Prints the microseconds of each, and the processor time of this process in all.
"""

import asyncio
import resource
import sys
import time


def used():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


async def main(count):
    null = asyncio.subprocess.DEVNULL
    before = used()
    for _ in range(count):
        start = time.perf_counter()
        child = await asyncio.create_subprocess_exec("/bin/true", stdin=null, stdout=null, stderr=null)
        if await child.wait() != 0:
            sys.exit(1)
        print(f"{(time.perf_counter() - start) * 1e6:.1f}")
    print(f"{used() - before:.1f}")


asyncio.run(main(int(sys.argv[1])))
