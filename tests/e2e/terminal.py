#!/usr/bin/env python3
"""terminal.py DEMIURGE: what the command line does on a terminal (F1.5, F1.9, NO_COLOR): a pseudo-terminal answers its questions.
Wants DEMIURGE_CLIENT_RPC of a dev chain and an empty DEMIURGE_KEYS."""
import os, pty, re, select, shlex, subprocess, sys, termios, time

DEMIURGE = sys.argv[1]
CTRL_C = "\x03"
passed = 0


def run(args, talk=(), env=None, seconds=20):
    """Runs a command on a terminal.  talk: (what it must say, what is typed then); returns its output and exit code."""
    e = {**os.environ, "TERM": "xterm", **(env or {})}
    e.pop("DEMIURGE_FROM", None)
    if not (env or {}).get("NO_COLOR"): e.pop("NO_COLOR", None)
    e.pop("DEMIURGE_PASSPHRASE_FD", None)
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(DEMIURGE, ["demiurge", *args], e)
    out, at, talk, end = "", 0, list(talk), time.time() + seconds
    while True:
        if time.time() > end:
            os.kill(pid, 9)
            raise SystemExit(f"FAILED: demiurge {' '.join(args)} hangs, waiting to say {talk[:1]}: {out!r}")
        if talk and talk[0][0] in out[at:]:
            at += out[at:].index(talk[0][0]) + len(talk[0][0])
            if talk[0][1] is not None: os.write(fd, talk[0][1].encode())
            talk.pop(0)
            continue
        if not select.select([fd], [], [], 0.1)[0]: continue
        try: data = os.read(fd, 65536)
        except OSError: break   # the other side is closed
        if not data: break
        out += data.decode()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    if talk: raise SystemExit(f"FAILED: demiurge {' '.join(args)} never said {talk[0][0]!r}: {out!r}")
    return out, code


def check(name, is_good, seen):
    global passed
    if not is_good: raise SystemExit(f"FAILED: {name}: {seen!r}")
    passed += 1
    print("ok  ", name)


def rpc(method, params="{}"):
    subprocess.run([DEMIURGE, "rpc", method, params], check=True, stdout=subprocess.DEVNULL)


# F1.5: asks for what is missing, shows what is signed, prints the command that needs no questions.
out, code = run(["transfer", "--memo", "it's me"], [("TO: ", "bob\r"), ("AMOUNT: ", "0.5 \r"), ("who signs: ", "alice\r"), ("[y/N] ", "y\r")])
check("missing arguments are asked for", code == 0 and "status       OK" in out, out)
check("it shows what it would do", "diff -0.5 CGT  alice (dmg1" in out and "diff +0.5 CGT  bob" in out and "does balances.Transferred" in out and "fee  0.00" in out and "at most" in out and "expires at height" in out, out)
line = re.search(r"the same in one line:\r\n  (demiurge .*)\r\n", out)
check("it tells the equal command", line and shlex.split(line[1]) == ["demiurge", "transfer", "bob", "0.5", "--memo", "it's me", "--from", "alice"], out)
again = subprocess.run(["sh", "-c", line[1].replace("demiurge", shlex.quote(DEMIURGE), 1) + " --yes"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
check("which works without a terminal", again.returncode == 0, again.stderr)
out, code = run(["transfer", "bob", "1", "--from", "alice"], [("[y/N] ", "\r")])
check("no answer is no", code == 8 and "nothing was sent" in out, out)
out, code = run(["transfer", "bob", "1", "--from", "alice", "-q"], [("[y/N] ", "\r")])
check("who is asked is shown what, -q or not", code == 8 and "diff -1 CGT  alice" in out, out)
out, code = run(["transfer", "bob", "1", "--from", "alice", "-o", "json"], [("[y/N] ", "\r")])
check("and whatever the answer's form", code == 8 and "diff -1 CGT  alice" in out, out)
out, code = run(["account", "create", "alice"])
check("who signs is not asked where the account is named", "who signs" not in out and code != 2, out)
out, code = run(["transfer"], [("TO: ", "\x04")])
check("an end at a question", code == 2 and "usage:" in out, out)
out, code = run(["transfer", "--yes"])
check("--yes asks nothing", code == 2 and "usage:" in out, out)

# Ctrl-C: 130, and what is under way is told.
out, code = run(["transfer", "bob", "1", "--from", "alice"], [("[y/N] ", CTRL_C)])
check("Ctrl-C before signing", code == 130 and "interrupted" in out and "submitted" not in out, out)
rpc("dev_setBlocks", '{"mode":"manual"}')
out, code = run(["transfer", "bob", "1", "--from", "alice", "--yes"], [("is pooled", CTRL_C)])
ids = re.findall(r"0x[0-9a-f]{64}", out)
check("Ctrl-C while waiting tells the id", code == 130 and len(ids) == 1 and "submitted" in out, out)
check("a wait is one line that is replaced", "\r\x1b[K" in out and out.count("is pooled") >= 1, out)
out, code = run(["tx", "watch", ids[0], "--progress", "none", "--timeout", "1"])
check("--progress none", code == 6 and "\x1b[K" not in out, out)
rpc("dev_mine")
rpc("dev_setBlocks", '{"mode":"auto"}')
out, code = run(["tx", "watch", ids[0]])
check("the interrupted one went through", code == 0 and "status       OK" in out, out)

# A stream is words here, and ends with Ctrl-C that says where it goes on.
rpc("dev_setBlocks", '{"mode":"50ms"}')
out, code = run(["sub", "blocks"], [("height ", None), ("height ", CTRL_C)])
check("a stream in words", code == 130 and re.search(r"height \d+ +0x[0-9a-f]{64}  0 transactions\r\n", out) and '{"' not in out, out)
goes_on = re.search(r"it goes on with --cursor ([A-Za-z0-9_-]{71})\r\n", out)
first = int(re.search(r"height (\d+)", out)[1])
check("and where it goes on", goes_on, out)
out, code = run(["sub", "blocks", "--cursor", goes_on[1], "--count", "1", "-o", "jsonl"])
check("which it does", code == 0 and first < int(re.search(r'"seq":"(\d+)"', out)[1]) <= first+200, out)
rpc("dev_setBlocks", '{"mode":"auto"}')

# Colours.
out, code = run(["status", "--rpc", "http://127.0.0.1:1/rpc"])
check("an error is red", code == 4 and "\x1b[31mdemiurge:\x1b[0m" in out, out)
out, code = run(["status", "--rpc", "http://127.0.0.1:1/rpc"], env={"NO_COLOR": "1"})
check("NO_COLOR", code == 4 and "\x1b" not in out, out)
out, code = run(["status", "--rpc", "http://127.0.0.1:1/rpc"], env={"TERM": "dumb"})
check("a dumb terminal", code == 4 and "\x1b" not in out, out)

# Passphrases are not shown, and Ctrl-C leaves the terminal as it was.
out, code = run(["key", "new", "shown"], [("New passphrase: ", "correct horse\r"), ("The same again: ", "correct horse\r"), ("Write these words down", None)])
check("a passphrase is not echoed", code == 0 and "correct horse" not in out, out)
out, code = run(["key", "new", "differ"], [("New passphrase: ", "one\r"), ("The same again: ", "two\r")])
check("two different passphrases", code == 7 and not os.path.exists(os.environ["DEMIURGE_KEYS"] + "/differ.json"), out)
master, slave = pty.openpty()
p = subprocess.Popen([DEMIURGE, "key", "new", "stopped"], stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                     env={k: v for k, v in os.environ.items() if k != "DEMIURGE_PASSPHRASE_FD"})
end = time.time() + 10
while termios.tcgetattr(slave)[3] & termios.ECHO and time.time() < end: time.sleep(0.02)
check("the echo is off at the prompt", not termios.tcgetattr(slave)[3] & termios.ECHO, "")
p.send_signal(2)
check("Ctrl-C at a passphrase", p.wait(10) == 130, p.returncode)
check("gives the echo back", termios.tcgetattr(slave)[3] & termios.ECHO, "")

print(f"{passed} passed, 0 failed")
