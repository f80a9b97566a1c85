#!/usr/bin/python3
"""Holds one thread of a process in the middle of its work, as a hang does, until standard input ends.

stop_thread.py PID NAME: prints "held" when the thread of that name is stopped outside of a wait, "not permitted" when the
system does not let us.
"""

import ctypes
import os
import sys
import time

CONT, SEIZE, INTERRUPT = 7, 0x4206, 0x4207
WALL = 0x40000000
FUTEX = {"x86_64": "202", "aarch64": "98"}[os.uname().machine]


def main():
    pid, name = sys.argv[1:]
    tasks = f"/proc/{pid}/task"
    threads = [t for t in os.listdir(tasks) if open(f"{tasks}/{t}/comm").read().strip() == name]
    if not threads:
        print(f"no thread {name}", flush=True)
        return
    tid = int(threads[0])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(SEIZE, tid, None, None) != 0:
        print("not permitted", flush=True)
        return
    while True:
        libc.ptrace(INTERRUPT, tid, None, None)
        os.waitpid(tid, WALL)
        if open(f"{tasks}/{tid}/syscall").read().split()[0] != FUTEX:
            break
        libc.ptrace(CONT, tid, None, None)
        time.sleep(0.003)
    print("held", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
