"""Analogue lines of the kernel: converters of the IIO subsystem and PWM outputs, found by the bus name of their device.

[adc.NAME]  `device`, `channel`; `mv_per_step` (1) and `offset_mv` (0): what the converter says, in millivolts at the
            board's terminal
[pwm.NAME]  `device`, `channel`; `inverted` (false)
Numbers like pwmchip0 or iio:device0 change from start to start; bus names like "20fc000.pwm" do not.
"""

from __future__ import annotations

from hal.interfaces import HalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from hal.kernel import Kernel

    Table = dict[str, Any]

PWM_CLASS, IIO_DEVICES = "/sys/class/pwm", "/sys/bus/iio/devices"


class Adc:
    """One channel of a converter."""

    __slots__ = ("_kernel", "_path", "_factor", "_offset_mv")

    def __init__(self, name: str, table: Table, kernel: Kernel) -> None:
        """Raises HalError("Adc") if the machine has no such channel."""
        self._kernel = kernel
        self._factor = float(table.get("mv_per_step", 1.0))
        self._offset_mv = float(table.get("offset_mv", 0.0))
        device = table["device"]
        entries = kernel.names(IIO_DEVICES)
        found = [entry for entry in entries if device in kernel.link(f"{IIO_DEVICES}/{entry}")]
        if not found:
            raise HalError("Adc", f"[adc.{name}]: this machine has no converter {device}")
        self._path = f"{IIO_DEVICES}/{found[0]}/in_voltage{table['channel']}_raw"
        try:
            self.millivolts()
        except OSError as error:
            raise HalError("Adc", f"[adc.{name}]: {self._path}: {error.strerror}") from None
        except ValueError:
            raise HalError("Adc", f"[adc.{name}]: {self._path} holds no number") from None

    def millivolts(self) -> float:
        """What stands at the terminal now. Raises OSError, ValueError for what is no number."""
        return int(self._kernel.get(self._path)) * self._factor + self._offset_mv


class Pwm:
    """One PWM output, at 0 from the start; the kernel keeps it as it is after our end."""

    __slots__ = ("_kernel", "_directory", "_period_ns", "_inverted", "_enabled")

    def __init__(self, name: str, table: Table, kernel: Kernel, frequency_hz: float) -> None:
        """Raises HalError("Pwm") if the machine has no such output."""
        self._kernel = kernel
        self._period_ns = round(1e9 / frequency_hz)
        self._inverted = table.get("inverted", False)
        self._enabled = False
        device, channel = table["device"], table["channel"]
        entries = kernel.names(PWM_CLASS)
        chips = [entry for entry in entries if kernel.link(f"{PWM_CLASS}/{entry}/device")[-1:] == [device]]
        if not chips:
            raise HalError("Pwm", f"[pwm.{name}]: this machine has no PWM {device}")
        chip = f"{PWM_CLASS}/{chips[0]}"
        self._directory = f"{chip}/pwm{channel}"
        try:
            if f"pwm{channel}" not in kernel.names(chip):
                kernel.put(f"{chip}/export", str(channel))
            self.set(0.0)
        except OSError as error:
            why = "no permission" if error.errno in (1, 13) else error.strerror
            raise HalError("Pwm", f"[pwm.{name}]: {self._directory}: {why}") from None

    def set(self, duty: float) -> None:
        """Duty cycle from 0 to 1; 0 is steadily low, 1 steadily high. Raises OSError."""
        active_ns = round(self._period_ns * (1 - duty if self._inverted else duty))
        put, directory = self._kernel.put, self._directory
        if not self._enabled:
            put(f"{directory}/duty_cycle", "0")  # else a shorter period than the last owner's is refused
            put(f"{directory}/period", str(self._period_ns))
        put(f"{directory}/duty_cycle", str(active_ns))
        if not self._enabled:
            put(f"{directory}/enable", "1")
            self._enabled = True
