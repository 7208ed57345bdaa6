"""Tells processes apart by the names that they give to their files, and whether they still run."""

from __future__ import annotations

import os
import platform
import secrets
import zlib

import psutil


def own_name() -> str:
    """Return a short name that no other process, thread or call has: host, process and chance."""
    return f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"


def is_dead(name: str) -> bool:
    """Whether a name is that of a process of this machine which is not there any more."""
    host, pid, *_ = [*name.split("-"), "", ""]
    return host == _host() and pid.isdecimal() and not is_process_alive(int(pid))


def is_process_alive(pid: int) -> bool:
    """Whether a process of this machine runs; one that ended and waits to be noticed does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # somebody else's process
        return True


def _host() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"  # names of hosts are up to 64 letters, those of files 255
