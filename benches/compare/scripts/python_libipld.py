"""python-libipld: decode_car, then a walk over the decoded nodes."""

import gc
import hashlib
import json
import resource
import struct
import sys
import time

import libipld


def read(car, give):
    header, blocks = libipld.decode_car(car)
    commit = blocks[header["roots"][0]]
    items = 0

    def walk(link):
        nonlocal items
        node = blocks[link]
        if node["l"] is not None:
            walk(node["l"])
        key = b""
        for entry in node["e"]:
            key = key[: entry["p"]] + entry["k"]
            items += 1
            if give is not None:
                give(key, entry["v"])
            if entry["t"] is not None:
                walk(entry["t"])

    walk(commit["data"])
    return items


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def repeat(car):
    """Returns the last count, the median time of one reading, and the number of readings."""
    start = time.perf_counter()
    items = read(car, None)
    batch = max(1, int(0.002 / (time.perf_counter() - start)))
    times, iterations = [], 1
    while time.perf_counter() - start < 0.2 or len(times) < 5:
        begin = time.perf_counter()
        for _ in range(batch):
            items = read(car, None)
        times.append((time.perf_counter() - begin) / batch)
        iterations += batch
    return items, sorted(times)[len(times) // 2], iterations


def peak_rss():
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))


def main():
    # There are no reference cycles here, and searching for them takes as long as all the rest.
    gc.disable()
    path, mode = sys.argv[1:]
    digest = hashlib.sha256() if mode == "check" else None

    def give(key, cid):
        digest.update(struct.pack("<I", len(key)) + key + cid)

    in_memory = read_file(path) if mode == "repeat" else None
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    if mode == "repeat":
        items, seconds, iterations = repeat(in_memory)
    else:
        items, iterations = read(read_file(path), give if digest else None), 1
        seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    report = {
        "items": items,
        "bytes": 0,
        "iterations": iterations,
        "seconds": seconds,
        "user_seconds": (after.ru_utime - before.ru_utime) / iterations,
        "system_seconds": (after.ru_stime - before.ru_stime) / iterations,
        "peak_rss": peak_rss(),
    }
    if digest:
        report["digest"] = digest.hexdigest()
    print(json.dumps(report))


main()
