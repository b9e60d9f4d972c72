"""Counter files as Linux shows them under /sys/class/powercap, written to a folder of a test."""

from pathlib import Path

RANGE_UJ = 262_143_328_850
"""As on an Intel Xeon: 262 kJ."""


def write_zone(zone: Path, name: str, energy_uj: int, range_uj: int = RANGE_UJ) -> Path:
    """Write one counter; its energy is changed by `tick`."""
    zone.mkdir(parents=True)
    (zone / "name").write_text(f"{name}\n")
    (zone / "max_energy_range_uj").write_text(f"{range_uj}\n")
    (zone / "energy_uj").write_text(f"{energy_uj}\n")
    return zone


def tick(zone: Path, used_j: float, range_uj: int = RANGE_UJ) -> None:
    """Let a counter count on, around its end."""
    file = zone / "energy_uj"
    file.write_text(f"{(int(file.read_text()) + round(used_j * 1e6)) % range_uj}\n")
