"""A Python program with known stacks, run by interpreters of all versions.

It says ``ready``, waits for a line, works for some CPU time in several threads, says ``done``, and
waits for the end of its input.  Tests look for the functions and for the lines marked ``# at:``.
"""

import asyncio
import re
import sys
import threading
import time


def spin(rounds):
    total = 0
    for number in range(rounds):
        total += number * number  # at: spin
    return total


class Counter:
    def step(self):
        return spin(2000)  # at: step

    @staticmethod
    def static():
        return (lambda: spin(2000))()  # at: static


def values():
    while True:
        yield spin(2000)  # at: values


def delegate():
    yield from values()  # at: delegate


def consume():
    for _value in delegate():  # at: consume
        if over():
            return


def descend(depth):
    return descend(depth - 1) if depth else spin(3000)  # at: descend


def by_key(_value):
    return spin(300)


def sort():
    return sorted(range(10), key=by_key)  # at: sort


def search():
    return re.search("(?:a+)+b", "a" * 14)


async def inner():
    return spin(2000)  # at: inner


async def outer():
    return await inner()  # at: outer


def run_coroutines():
    asyncio.run(forever())


async def forever():
    while not over():
        await outer()


def größe():
    return spin(2000)


def 函数():
    return größe()


def long_name():
    return spin(2000)


# What functions are called is what their code says.
long_name.__code__ = long_name.__code__.replace(
    co_qualname="name_that_is_longer_than_what_is_kept_of_it" * 4
)


def over():
    return time.process_time() > UNTIL


def repeat(function, *arguments):
    while not over():
        function(*arguments)


JOBS = [
    (repeat, Counter().step),
    (repeat, Counter.static),
    (consume,),
    (repeat, descend, 20),
    (repeat, descend, 300),
    (repeat, sort),
    (repeat, search),
    (run_coroutines,),
    (repeat, 函数),
    (repeat, long_name),
]

if __name__ == "__main__":
    # What is imported late has been by then: a module's code is gone once it ran.
    UNTIL = 0.0
    run_coroutines()
    search()
    UNTIL = float("inf")
    print("ready", flush=True)
    sys.stdin.readline()
    UNTIL = time.process_time() + float(sys.argv[1])
    threads = [threading.Thread(target=job[0], args=job[1:]) for job in JOBS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("done", flush=True)
    sys.stdin.read()
