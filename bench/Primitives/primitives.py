"""The operations of asyncio's loop, or of uvloop's: primitives.py asyncio|uvloop. Prints JSON."""

import asyncio
import json
import sys
import threading
import time

COUNT = 100_000
PER_TURN = 1000
LIVE_TIMERS = 10_000
TASKS = 1000
QUEUE_SIZE = 100
REPETITIONS = 3


async def turns(per_turn, schedule):
    done = asyncio.get_running_loop().create_future()
    left = COUNT
    left_of_turn = 0

    def callback():
        nonlocal left, left_of_turn
        left -= 1
        left_of_turn -= 1
        if left == 0:
            done.set_result(None)
        elif left_of_turn == 0:
            schedule_turn()

    def schedule_turn():
        nonlocal left_of_turn
        left_of_turn = per_turn
        for _ in range(per_turn):
            schedule(callback)

    schedule_turn()
    await done


def countdown():
    done = asyncio.get_running_loop().create_future()
    left = COUNT

    def count():
        nonlocal left
        left -= 1
        if left == 0:
            done.set_result(None)

    return done, count


async def call_soon_chain():
    await turns(1, asyncio.get_running_loop().call_soon)


async def call_soon():
    await turns(PER_TURN, asyncio.get_running_loop().call_soon)


async def post_own_thread():
    await turns(PER_TURN, asyncio.get_running_loop().call_soon_threadsafe)


async def post_other_thread():
    post = asyncio.get_running_loop().call_soon_threadsafe
    done, count = countdown()

    def produce():
        for _ in range(COUNT):
            post(count)

    thread = threading.Thread(target=produce)
    thread.start()
    await done
    thread.join()


async def timer_restart():
    call_later = asyncio.get_running_loop().call_later
    timers = [call_later(30, print) for _ in range(LIVE_TIMERS)]
    start = time.perf_counter_ns()
    for i in range(COUNT):
        timers[i % LIVE_TIMERS].cancel()
        timers[i % LIVE_TIMERS] = call_later(30, print)
    took = time.perf_counter_ns() - start
    for timer in timers:
        timer.cancel()
    return took


async def timer_cancel():
    call_later = asyncio.get_running_loop().call_later
    timers = [call_later(30 + i % LIVE_TIMERS / 1000, print) for i in range(COUNT)]
    for timer in timers:
        timer.cancel()


async def timer_expire():
    call_later = asyncio.get_running_loop().call_later
    done, count = countdown()
    for i in range(COUNT):
        call_later((1 + i % PER_TURN) / 1e6, count)
    await done


async def switch(tasks):
    async def give_way():
        for _ in range(COUNT // tasks):
            await asyncio.sleep(0)

    await asyncio.gather(*(give_way() for _ in range(tasks)))


async def ping_pong(pairs):
    new_future = asyncio.get_running_loop().create_future

    async def play(table, side, hops):
        if side == 1:
            table[0].set_result(None)
        for _ in range(hops):
            await table[side]
            table[side] = new_future()
            table[1 - side].set_result(None)

    tables = [[new_future(), new_future()] for _ in range(pairs)]
    await asyncio.gather(
        *(play(table, side, COUNT // pairs // 2) for table in tables for side in (0, 1))
    )


async def create():
    async def nothing():
        pass

    for _ in range(COUNT // TASKS):
        await asyncio.gather(*(asyncio.create_task(nothing()) for _ in range(TASKS)))


async def enter(lock):
    for _ in range(COUNT):
        async with lock:
            pass


async def put_and_get():
    queue = asyncio.Queue(QUEUE_SIZE)
    for i in range(COUNT):
        await queue.put(i)
        await queue.get()


async def produce_and_consume():
    queue = asyncio.Queue(QUEUE_SIZE)

    async def produce():
        for i in range(COUNT):
            await queue.put(i)

    producer = asyncio.create_task(produce())
    for _ in range(COUNT):
        await queue.get()
    await producer


PRIMITIVES = {
    "call_soon, one per turn": call_soon_chain,
    "call_soon with a handle, 1,000 per turn": call_soon,
    "thread-safe post, own thread": post_own_thread,
    "thread-safe post, another thread": post_other_thread,
    "timer restart, 10,000 live": timer_restart,
    "timer insert and cancel, 100,000": timer_cancel,
    "timer insert and expire, 100,000": timer_expire,
    "continuation switch, one task": lambda: switch(1),
    "continuation switch, 1,000 tasks": lambda: switch(TASKS),
    "task switch, 1,000 tasks": lambda: switch(TASKS),
    "ping-pong over futures, one pair, a hop": lambda: ping_pong(1),
    "ping-pong over futures, 500 pairs, a hop": lambda: ping_pong(500),
    "task created and awaited with 999 others": create,
    "lock entered and left, uncontended": lambda: enter(asyncio.Lock()),
    "semaphore taken and given back, uncontended": lambda: enter(asyncio.Semaphore(1)),
    "queue put and get, one coroutine": put_and_get,
    "queue put and get, between two coroutines": produce_and_consume,
}


async def measure(run):
    times = []
    for _ in range(REPETITIONS + 1):
        start = time.perf_counter_ns()
        took = await run() or time.perf_counter_ns() - start
        times.append(took / COUNT)
        await asyncio.sleep(0.01)  # what was cancelled is thrown out
    return sorted(times[1:])[REPETITIONS // 2]


async def main():
    return [
        {"name": name, "runner": sys.argv[1], "nanoseconds": await measure(run)}
        for name, run in PRIMITIVES.items()
    ]


if sys.argv[1] == "uvloop":
    import uvloop

    uvloop.install()
print(json.dumps(asyncio.run(main())))
