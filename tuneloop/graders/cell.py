"""What runs inside the sandbox's child process: it locks itself in, then runs one grade(sample, item).

Started by path with an isolated interpreter, so it imports the standard library only. In comes a JSON object on
standard input (source, sample, item, limits), out goes one on standard output: {"reward"} or {"error"}.

The walls, each as far as the system has it: limits of memory, processor time and file size; namespaces of its own
(user, network, IPC), so that there is no network to reach; Landlock (landlock(7)), so that only Python's own folders
can be read and nothing written; a seccomp filter (seccomp(2)), so that there are no sockets, no new processes and no
signals to others. Where the last two are missing, as on macOS, Python's audit hook stands in for them.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import platform
import resource
import struct
import sys
import traceback
from typing import Any

_MACHINE = platform.machine()
#: seccomp's name of the architecture, and the numbers of what is forbidden: networks, new processes, other processes,
#: the kernel's keys and tracing, more of a limit
_FORBIDDEN = {
    "x86_64": (
        0xC000003E,
        {
            *(41, 53, 425),  # socket, socketpair, io_uring_setup
            *(57, 58, 59, 322),  # fork, vfork, execve, execveat
            *(62, 200, 234, 424, 438, 101, 310, 311),  # kill and its kin, ptrace, other processes' memory
            *(272, 308, 321, 298, 323, 248, 249, 250, 160),  # unshare, setns, bpf, perf, faults, keys, setrlimit
            *(29, 64, 68),  # System V shared memory, semaphores, messages
            *(76, 90, 91, 268, 452, 92, 93, 94, 260),  # truncate, chmod and chown, which Landlock does not see,
            *(132, 235, 261, 280, 188, 189, 190, 197, 198, 199),  # nor times and extended attributes of files
        },
        {"clone": 56, "clone3": 435, "prlimit64": 302},
    ),
    "aarch64": (
        0xC00000B7,
        {
            *(198, 199, 425),
            *(221, 281),
            *(129, 130, 131, 424, 438, 117, 270, 271),
            *(97, 268, 280, 241, 282, 217, 218, 219, 164),
            *(194, 190, 186),
            *(45, 52, 53, 452, 54, 55),
            *(88, 5, 6, 7, 14, 15, 16),
        },
        {"clone": 220, "clone3": 435, "prlimit64": 261},
    ),
}
_ALLOW, _REFUSE, _UNKNOWN = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 38  # EPERM, ENOSYS
_NEW_USER_NETWORK_IPC = 0x10000000 | 0x40000000 | 0x08000000
_NO_NEW_PRIVILEGES, _SECCOMP, _CLONE_THREAD = 38, 22, 0x00010000
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def main() -> None:
    """Read the task, lock the door, grade, answer."""
    task = json.load(sys.stdin)
    answer = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    _limit(task["megabytes"], task["seconds"])
    _lock_in()
    os.write(answer, json.dumps(_grade(task)).encode())


def _grade(task: dict[str, Any]) -> dict[str, Any]:
    try:
        names: dict[str, Any] = {"__name__": "grader"}
        exec(compile(task["source"], "grader.py", "exec"), names)
        reward = names["grade"](task["sample"], task["item"])
        if not hasattr(reward, "__float__") or not math.isfinite(reward):
            return {"error": f"grade returned {reward!r}"[:300] + ", which is no finite number"}
        return {"reward": float(reward)}
    except BaseException as error:
        lines = [f" (line {frame.lineno})" for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame)]
        return {"error": f"{type(error).__name__}: {error}"[:2000] + (lines[-1] if lines else "")}


def _is_theirs(frame: traceback.FrameSummary) -> bool:
    return frame.filename == "grader.py"


def _limit(megabytes: int, seconds: int) -> None:
    limits = {
        resource.RLIMIT_AS: megabytes << 20,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: 1 << 16,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        try:
            resource.setrlimit(kind, (most, most))
        except (OSError, ValueError):
            pass  # macOS does not limit address space


def _lock_in() -> None:
    closed = False
    if sys.platform == "linux" and _MACHINE in _FORBIDDEN:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.unshare(_NEW_USER_NETWORK_IPC)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        files = _close_files(libc)
        closed = _close_calls(libc) and files
    if not closed:
        sys.addaudithook(_refuse)


def _close_files(libc: ctypes.CDLL) -> bool:
    """Landlock: of all files only Python's own can be read; returns whether the kernel does it."""
    version = libc.syscall(444, None, 0, 1)
    if version < 1:
        return False
    handled = (1 << (13, 14, 15, 15, 16)[min(version, 5) - 1]) - 1  # every right that this version knows
    rules = libc.syscall(444, struct.pack("=Q", handled), 8, 0)
    for folder in _readable():
        try:
            handle = os.open(folder, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        rights = _READ_FILE | (_READ_FOLDER if os.path.isdir(folder) else 0)
        libc.syscall(445, rules, 1, struct.pack("=Qi", rights, handle), 0)
        os.close(handle)
    closed = libc.syscall(446, rules, 0) == 0
    os.close(rules)
    return bool(closed)


def _readable() -> list[str]:
    python = [sys.prefix, sys.base_prefix, os.path.dirname(os.__file__)]
    system = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/etc/ld.so.cache"]
    return [*python, *system, os.devnull, "/dev/urandom"]


def _close_calls(libc: ctypes.CDLL) -> bool:
    """seccomp: a program of Berkeley Packet Filter over {number, architecture, ..., arguments of 8 bytes from 16}."""
    architecture, forbidden, some = _FORBIDDEN[_MACHINE]
    number, argument = 0, 16
    program = [
        *_load(4),
        *_unless(architecture, _REFUSE),
        *_load(number),
        *(line for call in sorted(forbidden) for line in _if(call, [_return(_REFUSE)])),
        *_if(some["clone3"], [_return(_UNKNOWN)]),  # glibc then tries clone, whose flags can be seen
        *_if(some["clone"], [*_load(argument), _jump(0x45, _CLONE_THREAD, 0, 1), _return(_ALLOW), _return(_REFUSE)]),
        *_if(
            some["prlimit64"],
            [*_load(argument + 16), *_unless(0, _REFUSE), *_load(argument + 20), *_unless(0, _REFUSE)],
        ),
        _jump(0x35, 0x40000000, 0, 1),  # the calls of x32, by other numbers
        _return(_REFUSE),
        _return(_ALLOW),
    ]
    code = b"".join(program)
    return bool(libc.prctl(_SECCOMP, 2, ctypes.byref(_Program(len(program), code)), 0, 0) == 0)


def _load(offset: int) -> list[bytes]:
    return [struct.pack("=HBBI", 0x20, 0, 0, offset)]


def _jump(kind: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("=HBBI", kind, if_true, if_false, value)


def _return(what: int) -> bytes:
    return struct.pack("=HBBI", 0x06, 0, 0, what)


def _if(value: int, lines: list[bytes]) -> list[bytes]:
    return [_jump(0x15, value, 0, len(lines)), *lines]


def _unless(value: int, what: int) -> list[bytes]:
    return [_jump(0x15, value, 1, 0), _return(what)]


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Python's own doors: files that are not Python's, networks, processes, foreign code."""
    if event.startswith(("socket.", "subprocess.", "os.", "ctypes.", "shutil.", "pty.", "signal.")):
        if event not in ("os.listdir", "os.scandir", "os.walk", "os.fspath"):
            raise PermissionError(f"{event} is not allowed in a grader")
    if event in ("open", "os.listdir", "os.scandir") and arguments and not isinstance(arguments[0], int):
        path = os.path.realpath(os.fsdecode(arguments[0] or "."))
        writing = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        inside = any(
            path == folder or path.startswith(folder + os.sep) for folder in map(os.path.realpath, _readable())
        )
        if writing or not inside:
            raise PermissionError(f"{path} is not for a grader")


if __name__ == "__main__":
    main()
