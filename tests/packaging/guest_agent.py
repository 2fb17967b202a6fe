"""Runs in the emulated machine (tests/support/armmachine.py): does what its argument says, tells in JSON lines.

boot    waits until the CSMS accepts, kills the station, waits until it is there again
charge  one session after the other, until the power goes
drain   waits until nothing is left to be told
ram     private memory of a station standalone, over ws and over wss, idle and in a session
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time

SOCKET = "/run/evse/control.sock"


def tell(*words):
    print(json.dumps(words), flush=True)


def ask(cmd, path=SOCKET, **members):
    """One command's answer, None where nobody answers."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(path)
            connection.sendall(json.dumps({"id": 1, "cmd": cmd, **members}).encode() + b"\n")
            line = connection.makefile("rb").readline()
            return json.loads(line) if line else None
    except OSError:
        return None


def until(condition, limit_s=300):
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.2)
    tell("in vain", ask("status"))
    raise SystemExit(1)


def uptime():
    with open("/proc/uptime") as file:
        return float(file.read().split()[0])


def daemon():
    """The station's process."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cmdline") as file:
                    if "evse.daemon" in file.read():
                        return int(name)
            except OSError:
                continue
    return None


def accepted(path=SOCKET):
    status = ask("status", path)
    return status and status.get("registration") == "Accepted"


def boot():
    until(accepted)
    tell("booted", uptime())
    with open(f"/proc/{daemon()}/status") as file:
        tell("account", [line.split()[1:] for line in file if line.startswith(("Uid", "Groups"))])
    first = daemon()
    os.kill(first, signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: daemon() not in (None, first) and accepted())
    tell("restarted", round(time.monotonic() - killed, 1))


def charge():
    until(accepted)
    tell("booted", uptime())
    while True:
        ask("plug", evse=1)
        ask("swipe", token="CARD0001")
        until(lambda: ask("status")["evses"][0]["charging_state"] == "Charging")
        tell("session", ask("status")["evses"][0]["transaction"])
        time.sleep(4)
        ask("unplug", evse=1)
        until(lambda: ask("status")["evses"][0]["transaction"] is None)


def drain():
    until(accepted)
    tell("left", ask("status")["queued"])
    until(lambda: ask("status")["queued"] == 0 and ask("status")["evses"][0]["transaction"] is None)
    tell("drained", 0)
    subprocess.run(["/etc/init.d/evse", "stop"])


def memory(pid):
    """Anonymous KiB: pages of a root in memory count as private dirty ones, whatever maps them."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))


def ram():
    subprocess.run(["/etc/init.d/evse", "stop"])
    for name in ("base", "ws", "wss"):
        state = f"/tmp/{name}"
        command = ["/usr/bin/evse", "run", "--config", f"/stations/{name}.toml", "--state-dir", state]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        path = f"{state}/control.sock"
        until(lambda path=path, name=name: ask("status", path) and (name == "base" or accepted(path)))
        time.sleep(5)
        idle = memory(process.pid)
        ask("plug", path, evse=1)
        if name != "base":
            ask("swipe", path, token="CARD0001")
        until(lambda path=path: ask("status", path)["evses"][0]["charging_state"] == "Charging")
        time.sleep(10)
        tell("ram", name, idle, memory(process.pid))
        process.terminate()
        process.wait()
    tell("measured", 0)


if __name__ == "__main__":
    {"boot": boot, "charge": charge, "drain": drain, "ram": ram}[sys.argv[1]]()
