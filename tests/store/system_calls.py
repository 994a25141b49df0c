"""Replaces a system call below SQLite, so that a test can make a disk full or a file read-only."""

import ctypes
import errno
from collections.abc import Iterator
from contextlib import contextmanager

import apsw

_WRITE = ctypes.CFUNCTYPE(
    ctypes.c_ssize_t,
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_longlong,
    use_errno=True,
)


class _UnixCalls(apsw.VFS):
    """The table of system calls that SQLite's own file layer uses, for the whole process."""

    def __init__(self) -> None:
        super().__init__("calls-of-a-test", base="unix")


@contextmanager
def full_disk() -> Iterator[None]:
    """Every write of SQLite fails for want of room."""

    def refuse(_file: int, _data: int, _size: int, _offset: int) -> int:
        ctypes.set_errno(errno.ENOSPC)
        return -1

    calls = _UnixCalls()
    before = calls.xGetSystemCall("pwrite64")
    assert before is not None
    replacement = _WRITE(refuse)
    address = ctypes.cast(replacement, ctypes.c_void_p).value
    assert address is not None
    calls.xSetSystemCall("pwrite64", address)
    try:
        yield
    finally:
        calls.xSetSystemCall("pwrite64", before)
        calls.unregister()
