"""Runs in the emulated machine (tests/support/armmachine.py): does what its argument says, tells in JSON lines.

boot    waits until the CSMS accepts, kills the station, waits until it is there again
charge  one session after the other, with or without a CSMS, until the power goes
drain   waits until nothing is left to be told
ram     private memory of a station standalone, over ws and over wss, idle and in a session
systemd stops the daemon's process, waits for two resets and a reboot; after that one tells what there is again
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time

SOCKET = "/run/evse/control.sock"
MARK = "/var/lib/agent-waits-for-a-reboot"


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
                    if "/evse/start" in file.read():
                        return int(name)
            except OSError:
                continue
    return None


def accepted(path=SOCKET):
    status = ask("status", path)
    return status and status.get("registration") == "Accepted"


def mounted(path):
    """Device and type of the file system that was mounted there last."""
    with open("/proc/mounts") as file:
        rows = [line.split() for line in file]
    return [(row[0], row[2]) for row in rows if row[1] == path][-1:]


def evse():
    return ask("status")["evses"][0]


def boot():
    until(accepted)
    tell("booted", uptime())
    tell("state", mounted("/var/lib/evse"), sorted(os.listdir("/var/lib/evse/journal")))
    with open(f"/proc/{daemon()}/status") as file:
        tell("account", [line.split()[1:] for line in file if line.startswith(("Uid", "Groups"))])
    first = daemon()
    os.kill(first, signal.SIGKILL)
    killed = time.monotonic()
    until(lambda: daemon() not in (None, first) and accepted())
    tell("restarted", round(time.monotonic() - killed, 1))


def charge():
    until(lambda: (ask("status") or {}).get("ready"))
    tell("ready", uptime())
    while True:
        until(lambda: evse()["transaction"] is None)  # what the power cut interrupted is over first
        before_wh = evse()["register_wh"]
        transaction = begin()
        tell("session", transaction)
        time.sleep(4)
        ask("unplug", evse=1)
        until(lambda: evse()["transaction"] is None)
        tell("ended", transaction, before_wh, evse()["register_wh"])


def drain():
    until(accepted)
    tell("left", ask("status")["queued"])
    until(lambda: ask("status")["queued"] == 0 and evse()["transaction"] is None)
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


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() + done.stderr.strip()


def unit(*names):
    shown = output("systemctl", "show", "evse", "--property", ",".join(names))
    return dict(line.split("=", 1) for line in shown.splitlines())


def begin():
    """A session; returns its transaction."""
    ask("plug", evse=1)
    ask("swipe", token="CARD0001")
    until(lambda: evse()["charging_state"] == "Charging")
    return evse()["transaction"]


def another(pid):
    """Waits until another process than `pid` is the unit's, and the CSMS has accepted it."""
    until(lambda: unit("MainPID")["MainPID"] not in ("0", str(pid)) and accepted())


def systemd():
    until(accepted)
    tell("booted", uptime(), os.path.exists(MARK))
    if os.path.exists(MARK):
        return
    tell("unit", unit("Type", "NotifyAccess", "ActiveState", "SubState", "User", "WatchdogUSec", "StatusText"))
    until(lambda: subprocess.run(["systemd-analyze", "time"], capture_output=True).returncode == 0)
    tell("analyze", output("systemd-analyze", "time"))
    tell("blame", output("systemd-analyze", "blame", "--no-pager").splitlines()[:6])
    tell("exposure", output("systemd-analyze", "security", "--no-pager", "evse.service").splitlines()[-1])

    tell("charges", begin())  # then somebody presses the emergency stop, and pulls it out again
    until(lambda: evse()["faults"])
    ask("unplug", evse=1)
    until(lambda: evse()["transaction"] is None and not evse()["faults"])

    pid = int(unit("MainPID")["MainPID"])
    tell("session", begin())
    time.sleep(5)
    os.kill(pid, signal.SIGSTOP)
    stopped = time.monotonic()
    tell("stopped", uptime())
    until(lambda: not os.path.exists(f"/proc/{pid}"))
    killed_s = time.monotonic() - stopped
    until(lambda: unit("MainPID")["MainPID"] not in ("0", str(pid)))
    tell("started", uptime())
    another(pid)
    journal = output("journalctl", "--no-pager", "-q", "-u", "evse", "-o", "cat")
    reason = [line for line in journal.splitlines() if "atchdog" in line or "Failed with" in line]
    tell("bitten", killed_s, time.monotonic() - stopped, unit("NRestarts"), reason)

    for kind in ("Immediate", "OnIdle"):
        pid = int(unit("MainPID")["MainPID"])
        tell("charging", kind, begin())
        time.sleep(15)  # meanwhile the CSMS asks for a reset
        if kind == "OnIdle":
            tell("still", unit("MainPID")["MainPID"] == str(pid), evse()["charging_state"])
            ask("unplug", evse=1)
        another(pid)
        tell("reset", kind, unit("NRestarts"), open("/proc/sys/kernel/random/boot_id").read().strip())
    with open(MARK, "w"):
        tell("update", uptime())
    signal.pause()


if __name__ == "__main__":
    {"boot": boot, "charge": charge, "drain": drain, "ram": ram, "systemd": systemd}[sys.argv[1]]()
