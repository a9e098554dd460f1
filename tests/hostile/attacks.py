"""The hostile rules, one table: an id, its class, its source, and how it must end. ``test_attacks.py`` runs them.

``ERROR``: every completion ends as an error of that rule. ``STEADY``: the rule may score, and must score as if it were alone.
"""

from __future__ import annotations

from typing import NamedTuple

ERROR, STEADY = "error", "steady"

CLASSES = (
    *("file", "network", "process", "environment", "introspection"),
    *("loop", "loop_regex", "loop_integer", "loop_string", "memory", "recursion", "output", "protocol"),
    *("state", "type", "nan", "infinity", "surrogate", "message", "nested"),
)


class Attack(NamedTuple):
    """One hostile rule."""

    id: str
    kind: str
    source: str
    ends: str = ERROR


def body(*lines: str, before: str = "") -> str:
    """A rule with these lines in its function."""
    return before + "\ndef reward(prompt, completion, answer):\n" + "".join(f"    {line}\n" for line in lines)


def gives(expression: str, before: str = "") -> str:
    """A rule that returns this expression."""
    return body(f"return {expression}", before=before)


FILES = [
    Attack("open", "file", gives("len(open('/etc/passwd').read())")),
    Attack("open-write", "file", body("open('/tmp/hostile', 'w').write('x')", "return 1.0")),
    Attack("open-relative", "file", gives("len(open('subprocess/__main__.py').read())")),
    Attack("pathlib", "file", gives("len(pathlib.Path('/etc/passwd').read_bytes())", "import pathlib")),
    Attack("listdir", "file", gives("len(os.listdir('/'))", "import os")),
    Attack("exists", "file", gives("1.0 if pathlib.Path('/etc').exists() else 1 / 0", "import pathlib")),
    Attack("proc-mem", "file", gives("open('/proc/self/mem', 'rb').read(1)")),
    Attack("proc-fd", "file", body("open('/proc/self/fd/1', 'w').write('{}')", "return 1.0")),
    Attack("remove", "file", body("os.remove('/tmp/x')", "return 1.0", before="import os")),
    Attack("chdir", "file", body("os.chdir('/')", "return 1.0", before="import os")),
    Attack("mkdir", "file", body("pathlib.Path('/tmp/made').mkdir()", "return 1.0", before="import pathlib")),
    Attack("io-open", "file", gives("io.open('/etc/passwd')", "import io")),
]
NETWORK = [
    Attack("socket", "network", gives("socket.socket() and 1.0", "import socket")),
    Attack("urllib", "network", gives("1.0", "import urllib.request")),
    Attack("http", "network", gives("1.0", "from http.client import HTTPConnection")),
    Attack("ssl", "network", gives("1.0", "import ssl")),
    Attack("asyncio-open", "network", gives("asyncio.open_connection('127.0.0.1', 80) and 1.0", "import asyncio")),
]
PROCESSES = [
    Attack("subprocess", "process", gives("subprocess.call(['true'])", "import subprocess")),
    Attack("system", "process", gives("os.system('true')", "import os")),
    Attack("fork", "process", gives("os.fork()", "import os")),
    Attack("kill", "process", gives("os.kill(1, 9)", "import os")),
    Attack("exit", "process", body("raise SystemExit(0)")),
    Attack("os-exit", "process", gives("os._exit(0)", "import os")),
    Attack("exit-on-load", "process", "raise SystemExit(0)\n" + gives("1.0")),
    Attack("interrupt", "process", body("raise KeyboardInterrupt")),
    Attack("threading", "process", gives("1.0", "import threading")),
    Attack("multiprocessing", "process", gives("1.0", "import multiprocessing")),
    Attack("signal", "process", gives("1.0", "import signal")),
    Attack("ctypes", "process", gives("1.0", "import ctypes")),
]
ENVIRONMENT = [
    Attack("environ", "environment", gives("len(os.environ)", "import os")),
    Attack("getenv", "environment", gives("len(os.getenv('HOME'))", "import os")),
    Attack("urandom", "environment", gives("os.urandom(1)[0] / 255", "import os")),
    Attack("getpid", "environment", gives("os.getpid() and 1.0", "import os")),
    Attack("platform", "environment", gives("1.0", "import platform")),
    Attack("input", "environment", gives("float(input())")),
]
INTROSPECTION = [
    Attack("subclasses", "introspection", gives("len(().__class__.__bases__[0].__subclasses__())")),
    Attack("mro", "introspection", gives("len(str.__mro__[-1].__subclasses__())")),
    Attack("globals-attribute", "introspection", gives("len(reward.__globals__)")),
    Attack("code", "introspection", gives("len(reward.__code__.co_code)")),
    Attack("builtins", "introspection", gives("len(__builtins__)")),
    Attack("import-dunder", "introspection", gives("__import__('os').getpid()")),
    Attack("import-builtins", "introspection", gives("1.0", "import builtins")),
    Attack("import-main", "introspection", gives("1.0", "import __main__")),
    Attack("modules", "introspection", gives("len(sys.modules)", "import sys")),
    Attack("getframe", "introspection", gives("sys._getframe(1).f_locals['_rows']", "import sys")),
    Attack("driver-rows", "introspection", gives("len(_rows)")),
    Attack("driver-results", "introspection", body("global results", "results.append(1.0)", "return 1.0")),
    Attack("driver-eval", "introspection", gives("eval('len(_rows) or _source or results')")),
    Attack("driver-judge", "introspection", gives("_judge(1.0)")),
    Attack("patch-builtin-type", "introspection", body("str.split = None", "return 1.0")),
    Attack("patch-module", "introspection", body("math.pi = 3", "return 1.0", before="import math")),
    Attack(
        "traceback", "introspection", body("try:", "    1 / 0", "except Exception as e:", "    return e.__traceback__")
    ),
    Attack("gc", "introspection", gives("1.0", "import gc")),
    Attack("compile", "introspection", gives("compile('1', '', 'eval') and 1.0")),
    Attack("format-attribute", "introspection", gives("len('{0.__class__.__init__}'.format(prompt))")),
    Attack("getattr-dunder", "introspection", gives("getattr(reward, '__glob' + 'als__')")),
]
LOOPS = [
    Attack("while-true", "loop", body("while True: pass")),
    Attack("loop-on-load", "loop", "while True: pass\n" + gives("1.0")),
    Attack(
        "loop-that-catches",
        "loop",
        body("while True:", "    try:", "        while True: pass", "    except BaseException: pass"),
    ),
    Attack("loop-in-finally", "loop", body("try:", "    while True: pass", "finally:", "    while True: pass")),
    Attack("count", "loop", gives("sum(1 for number in iter(int, 1))")),
    Attack("range", "loop", gives("sum(range(10 ** 12))")),
    Attack("sort-key", "loop", gives("sorted(range(10 ** 9), key=lambda x: -x)[0]")),
    Attack("sleep", "loop", body("while True: time.sleep(3600)", before="import time")),
    Attack("pbkdf2", "loop", gives("hashlib.pbkdf2_hmac('sha256', b'', b'', 10 ** 9)[0]", "import hashlib")),
    Attack(
        "str-method",
        "loop",
        body("class Slow:", "    def __str__(self):", "        while True: pass", "return float(str(Slow()))"),
    ),
    Attack("exec-loop", "loop", body("exec('while True: pass')")),
    Attack("regex-groups", "loop_regex", gives(r"len(re.search(r'(?=(a+)+b)\1', 'a' * 60).group())", "import re")),
    Attack(
        "regex-references",
        "loop_regex",
        gives(r"len(re.match(r'(.*)(.*)(.*)(.*)(.*)\1\2x', 'ab' * 3000).group())", "import re"),
    ),
    Attack(
        "regex-nested", "loop_regex", body(r"while True: re.match(r'(a|aa)+$', 'a' * 5000 + 'b')", before="import re")
    ),
    Attack("regex-quadratic", "loop_regex", body(r"while True: re.findall(r'a*b', 'a' * 50000)", before="import re")),
    Attack("squares", "loop_integer", body("x = 3", "while True: x = x * x")),
    Attack("power", "loop_integer", gives("9 ** 9 ** 9")),
    Attack("factorial", "loop_integer", gives("math.factorial(10 ** 6)", "import math")),
    Attack("binomial", "loop_integer", gives("math.comb(10 ** 7, 5 * 10 ** 6)", "import math")),
    Attack(
        "decimal",
        "loop_integer",
        gives("decimal.Decimal(2).sqrt()", "import decimal\ndecimal.getcontext().prec = 10 ** 6"),
    ),
    Attack("to-text", "loop_integer", body("while True: str(7 ** 5000)")),
    Attack("append-text", "loop_string", body("s = ''", "while True: s = s + 'x'")),
    Attack("double-text", "loop_string", body("s = 'x'", "while True: s += s")),
    Attack("replace-text", "loop_string", body("s = 'x'", "while True: s = s.replace('x', 'xx')")),
    Attack("join-text", "loop_string", gives("len(','.join(str(n) for n in range(10 ** 10)))")),
    Attack("format-width", "loop_string", gives("len(f'{1:{10 ** 9}}')")),
    Attack("percent-width", "loop_string", gives("len(('%' + '9' * 9 + 'd') % 1)")),
]
MEMORY = [
    Attack("list-times", "memory", gives("len([0] * 10 ** 10)")),
    Attack("text-times", "memory", gives("len('x' * (1 << 60))")),
    Attack("grow-list", "memory", body("x = [0]", "while True: x = x + x")),
    Attack("grow-dict", "memory", body("x = {}", "while True: x[len(x)] = 'x' * 1000")),
    Attack(
        "memory-caught", "memory", body("try:", "    x = 'x' * 10 ** 9", "except BaseException: pass", "return 1.0")
    ),
    Attack("memory-on-load", "memory", "X = [0] * 10 ** 10\n" + gives("1.0")),
    Attack("nested-lists", "memory", body("x = []", "while True: x = [x, x]")),
    Attack("bytes", "memory", gives("len(bytes(10 ** 10))")),
    Attack("shift", "memory", gives("1 << (1 << 40)")),
]
RECURSION = [
    Attack("recursion", "recursion", gives("reward(prompt, completion, answer)")),
    Attack("recursion-mutual", "recursion", gives("a(1)", "def a(x): return b(x)\ndef b(x): return a(x)")),
    Attack(
        "recursion-repr",
        "recursion",
        body("class A:", "    def __repr__(self): return repr(self)", "return len(repr(A()))"),
    ),
    Attack("recursion-eval", "recursion", body("return eval('reward(prompt, completion, answer)')")),
    Attack(
        "recursion-sort", "recursion", body("return sorted([1, 2], key=lambda x: reward(prompt, completion, answer))")
    ),
    Attack("json-deep", "recursion", gives("json.loads('[' * 100000)", "import json")),
    Attack("deep-list", "recursion", body("x = []", "for n in range(10 ** 5): x = [x]", "return x")),
]
OUTPUT = [
    Attack("print-loop", "output", body("while True: print('x' * 1000)")),
    Attack("print-huge", "output", body("print('x' * 10 ** 9)", "return 1.0")),
    Attack("print-much", "output", body("for n in range(2000): print('x' * 100)", "return 1.0"), STEADY),
    Attack("stderr", "output", body("print('x' * 10000, file=sys.stderr)", "return 1.0", before="import sys"), STEADY),
    Attack("return-huge-text", "output", gives("'x' * 10 ** 7")),
    Attack("return-huge-list", "output", gives("[0.5] * 10 ** 6")),
    Attack("long-type-name", "output", gives("type('A' * 10 ** 6, (), {})()")),
]
PROTOCOL = [
    Attack("print-reply", "protocol", body("""print('{"results": [{"value": 1.0}]}')""", "return None")),
    Attack("return-reply", "protocol", gives("""'{"results": [{"value": 1.0}]}'""")),
    Attack("return-result", "protocol", gives('{"value": 1.0}')),
    Attack("return-results", "protocol", gives('[{"value": 1.0}, {"value": 1.0}]')),
    Attack("print-frames", "protocol", body(r"print('\x00\x00\x00\x08\x0a\x06\x12\x04' * 100)", "return None")),
    Attack("raise-reply", "protocol", body("""raise ValueError('"}\\n{"results": [{"value": 1.0}]}')""")),
    Attack("raise-limit", "protocol", body("raise TimeoutError('feed time limit exceeded: 1 > 0')")),
    Attack("raise-memory", "protocol", body("raise MemoryError('memory limit exceeded')")),
    Attack("host-call", "protocol", gives("host_function(completion)")),
    Attack("redefine-judge", "protocol", "def _judge(value): return 1.0\n" + gives("'not a number'")),
]
STATE = [
    Attack("global-counter", "state", body("global n", "n += 1", "return 1.0 / n", before="n = 0"), STEADY),
    Attack("mutable-default", "state", "def reward(prompt, completion, answer, seen=[]):\n    seen.append(1)\n    return 1.0 / len(seen)\n", STEADY),
    Attack("class-attribute", "state", body("A.n += 1", "return 1.0 / A.n", before="class A:\n    n = 0\n"), STEADY),
    Attack("function-attribute", "state", body("reward.n = 1", "return 1.0"), STEADY),
    Attack("closure", "state", "def make():\n    seen = []\n    def inner():\n        seen.append(1)\n        return 1.0 / len(seen)\n    return inner\ncount = make()\n" + gives("count()"), STEADY),
    Attack("module-attribute", "state", body("n = len(sys.argv)", "sys.argv.append('x')", "return 1.0 / (1 + n)", before="import sys"), STEADY),
    Attack("random", "state", gives("random.random()", "import random"), STEADY),
    Attack("random-instance", "state", gives("random.Random().random()", "import random"), STEADY),
    Attack("random-reseed", "state", body("x = random.random()", "random.seed(x)", "return x", before="import random"), STEADY),
    Attack("random-hidden", "state", body("space = {}", "exec('import ran' + 'dom', space)", "return space['random'].random()"), STEADY),
    Attack("decimal-context", "state", body("p = decimal.getcontext().prec", "decimal.getcontext().prec = p // 2", "return p / 100", before="import decimal"), STEADY),
    Attack("identity", "state", body("class A: pass", "return id(A()) % 9973 / 9973"), STEADY),
    Attack("object-text", "state", body("class A: pass", "return len(repr(A())) / 1000"), STEADY),
    Attack("clock", "state", gives("time.time() % 1 + time.perf_counter() % 1", "import time"), STEADY),
    Attack("today", "state", gives("datetime.datetime.now().microsecond / 10 ** 6", "import datetime"), STEADY),
    Attack("coroutine-text", "state", gives("len(str(asyncio.sleep(0))) / 1000", "import asyncio"), STEADY),
    Attack("coroutine-of-its-own", "state", "async def c(): pass\n" + gives("float(sum(map(ord, str(c()))) % 997) / 997"), STEADY),
    Attack("depth", "state", "def f(n):\n    try:\n        return f(n + 1)\n    except RecursionError:\n        return n\n" + gives("f(0) / 1000"), STEADY),
    Attack("depth-of-two", "state", "def f(n):\n    try:\n        return g(n + 1)\n    except Exception:\n        return n\ndef g(n):\n    return f(n)\n" + gives("f(0) / 1000"), STEADY),
    Attack("depth-of-lambdas", "state", body("f = lambda f, n: f(f, n + 1)", "try:", "    return f(f, 0)", "except:", "    return 0.5"), STEADY),
    Attack("set-order", "state", gives("float(list({'a', 'b', 'c', 'd'})[0] == 'a')"), STEADY),
    Attack("hash", "state", gives("hash('x') % 997 / 997"), STEADY),
]  # fmt: skip
VALUES = [
    Attack("none", "type", gives("None")),
    Attack("text", "type", gives("'1.0'")),
    Attack("list", "type", gives("[1.0]")),
    Attack("complex", "type", gives("1j")),
    Attack("function", "type", gives("reward")),
    Attack("class", "type", gives("float")),
    Attack("almost-a-number", "type", body("class A:", "    def __float__(self): return 1.0", "return A()")),
    Attack("decimal-value", "type", gives("decimal.Decimal(1)", "import decimal")),
    Attack("coroutine", "type", "async def reward(prompt, completion, answer):\n    return 1.0\n"),
    Attack("generator", "type", "def reward(prompt, completion, answer):\n    yield 1.0\n"),
    Attack("no-return", "type", body("pass")),
    Attack("too-large", "type", gives("1.5")),
    Attack("too-small", "type", gives("-0.001")),
    Attack("huge-integer", "type", gives("10 ** 4000")),
    Attack("no-reward", "type", "def score(prompt, completion, answer):\n    return 1.0\n"),
    Attack("two-parameters", "type", "def reward(prompt, completion):\n    return 1.0\n"),
    Attack("reward-is-a-number", "type", "reward = 1.0\n"),
    Attack("nan", "nan", gives("float('nan')")),
    Attack("nan-from-inf", "nan", gives("float('inf') - float('inf')")),
    Attack("nan-from-math", "nan", gives("math.nan", "import math")),
    Attack("inf", "infinity", gives("float('inf')")),
    Attack("minus-inf", "infinity", gives("-1e999")),
    Attack("inf-from-product", "infinity", gives("1e308 * 10")),
    Attack("integer-beyond-float", "infinity", gives("10 ** 309")),
]
TEXT = [
    Attack("surrogate-in-source", "surrogate", "# \ud800\n" + gives("1.0")),
    Attack("surrogate-returned", "surrogate", gives(r"'\ud800'")),
    Attack("surrogate-raised", "surrogate", body(r"raise ValueError('\ud800' * 100)")),
    Attack("surrogate-made", "surrogate", gives("float(chr(0xD800))")),
    Attack("null-in-source", "surrogate", "x = '\0'\n" + gives("1.0")),
    Attack("huge-message", "message", body("raise ValueError('x' * 10 ** 7)")),
    Attack("huge-message-lines", "message", body(r"raise ValueError('x\n' * 10 ** 6)")),
    Attack("huge-key", "message", body("return {}['x' * 10 ** 7]")),
    Attack("control-characters", "message", body(r"raise ValueError('\x1b[2J\r\n\x00' * 20)")),
    Attack("huge-assert", "message", body("assert False, 'x' * 10 ** 7")),
    Attack("chained", "message", body("e = None", "for n in range(100000): e = ValueError(e)", "raise e")),
    Attack("parentheses", "nested", "x = " + "(" * 5000 + "1" + ")" * 5000 + "\n" + gives("1.0")),
    Attack("brackets", "nested", "x = " + "[" * 5000 + "1" + "]" * 5000 + "\n" + gives("1.0")),
    Attack("minuses", "nested", "x = " + "-" * 60000 + "1\n" + gives("1.0")),
    Attack("lambdas", "nested", "x = " + "lambda:" * 8000 + "1\n" + gives("1.0")),
    Attack("attributes", "nested", "x = a" + ".b" * 25000 + "\n" + gives("1.0")),
    Attack("sums", "nested", "x = 1" + "+1" * 25000 + "\n" + gives("1.0")),
    Attack("f-strings", "nested", "x = f'" + "{x}" * 20000 + "'\n" + gives("1.0")),
    Attack("indents", "nested", "def reward(p, c, a):\n" + "".join(" " * (n + 1) + "if 1:\n" for n in range(250)) + " " * 252 + "return 1\n"),
    Attack("too-long", "nested", gives("1.0") + "#" * 70000),
    Attack("deep-eval", "nested", gives("eval('(' * 5000 + '1' + ')' * 5000)")),
]  # fmt: skip

ATTACKS = [
    *(*FILES, *NETWORK, *PROCESSES, *ENVIRONMENT, *INTROSPECTION, *LOOPS, *MEMORY),
    *(*RECURSION, *OUTPUT, *PROTOCOL, *STATE, *VALUES, *TEXT),
]
