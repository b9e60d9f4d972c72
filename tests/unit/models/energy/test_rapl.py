"""RAPL, read from recorded counter files: no machine that runs the tests needs to have it."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.energy.energy_source import Span, Unreadable
from models.energy.rapl import Counter, Rapl, find_counters, host_busy_s
from tests.unit.models.energy.recorded_rapl import RANGE_UJ, tick, write_zone


@dataclass
class Host:
    """How busy all processes of a host have been."""

    busy_s: float = 1000.0

    def __call__(self) -> float:
        return self.busy_s


def test_recorded_counters_a_task_is_charged_its_share_of_all_packages(tmp_path):
    first = write_zone(tmp_path / "intel-rapl:0", "package-0", 5_000_000_000)
    second = write_zone(tmp_path / "intel-rapl:1", "package-1", 9_000_000_000)
    host = Host()
    rapl = Rapl(find_counters(tmp_path), host)
    rapl.start()
    tick(first, 2880.0)
    tick(second, 720.0)
    host.busy_s += 12.0
    # 3600 J are 1 Wh, and the task used 3 of the host's 12 busy seconds.
    (part,) = rapl.stop(Span(wall_s=10.0, cpu_s=3.0))
    assert part.energy_wh == pytest.approx(0.25, rel=1e-12)
    assert (part.device, part.method, part.quality) == ("cpu", "rapl", "shared")


def test_recorded_counters_memory_has_its_own_part(tmp_path):
    package = write_zone(tmp_path / "intel-rapl:0", "package-0", 0)
    dram = write_zone(package / "intel-rapl:0:1", "dram", 0)
    write_zone(package / "intel-rapl:0:0", "core", 0)
    host = Host()
    rapl = Rapl(find_counters(tmp_path), host)
    rapl.start()
    tick(package, 3600.0)
    tick(dram, 7200.0)
    tick(package / "intel-rapl:0:0", 999.0)
    host.busy_s += 4.0
    processors, memory = rapl.stop(Span(wall_s=1.0, cpu_s=1.0))
    assert processors.device == "cpu"
    assert processors.energy_wh == pytest.approx(0.25)
    assert (memory.device, memory.method) == ("memory", "rapl-dram")
    assert memory.energy_wh == pytest.approx(0.5)


def test_recorded_counters_platform_and_mmio_are_left_out(tmp_path):
    package = write_zone(tmp_path / "intel-rapl:0", "package-0", 10_000_000)
    write_zone(tmp_path / "intel-rapl:1", "psys", 77_000_000)
    write_zone(tmp_path / "intel-rapl-mmio:0", "package-0", 33_000_000)
    assert [counter.path.parent for counter in find_counters(tmp_path)] == [package]


def test_recorded_counters_a_package_shown_twice_counts_once(tmp_path):
    package = write_zone(tmp_path / "intel-rapl:0", "package-0", 123_456_789_000)
    write_zone(tmp_path / "intel-rapl:1", "package-1", 123_456_790_500)
    assert [counter.path.parent for counter in find_counters(tmp_path)] == [package]


def test_recorded_counters_are_found_where_a_container_mounts_them(tmp_path):
    control = tmp_path / "intel-rapl"  # of /sys/devices/virtual/powercap
    write_zone(control / "intel-rapl:0", "package-0", 5)
    assert len(find_counters(tmp_path)) == len(find_counters(control)) == 1


def test_no_counters_is_no_error(tmp_path):
    assert find_counters(tmp_path) == []
    assert find_counters(tmp_path / "nowhere") == []


@given(
    begun_uj=st.integers(0, RANGE_UJ - 1),
    used_j=st.lists(st.integers(0, RANGE_UJ // 1_000_000 - 1), max_size=6),
)
def test_recorded_counters_nothing_is_lost_where_they_wrap(tmp_path_factory, begun_uj, used_j):
    zone = write_zone(tmp_path_factory.mktemp("rapl") / "intel-rapl:0", "package-0", begun_uj)
    counter = Counter(zone / "energy_uj", RANGE_UJ, is_memory=False)
    counter.begin()
    for joule in used_j:
        tick(zone, joule)
        counter.advance()
    assert counter.counted_uj == sum(used_j) * 1_000_000


def test_recorded_counters_a_share_is_never_more_than_the_whole(tmp_path):
    package = write_zone(tmp_path / "intel-rapl:0", "package-0", 0)
    host = Host()
    rapl = Rapl(find_counters(tmp_path), host)
    rapl.start()
    tick(package, 3600.0)
    host.busy_s += 0.01  # the host's seconds tick in hundredths, the task's do not
    (part,) = rapl.stop(Span(wall_s=0.02, cpu_s=0.02))
    assert part.energy_wh == pytest.approx(1.0)


def test_recorded_counters_that_stand_still_while_work_is_done_are_no_measurement(tmp_path):
    write_zone(tmp_path / "intel-rapl:0", "package-0", 0)
    rapl = Rapl(find_counters(tmp_path), Host())
    rapl.start()
    with pytest.raises(Unreadable, match="stand still"):
        rapl.stop(Span(wall_s=1.0, cpu_s=1.0))


def test_recorded_counters_measure_each_task_from_zero(tmp_path):
    package = write_zone(tmp_path / "intel-rapl:0", "package-0", 0)
    rapl = Rapl(find_counters(tmp_path), Host())
    for joule in (3600.0, 36.0):
        rapl.start()
        tick(package, joule)
        (part,) = rapl.stop(Span(wall_s=1.0, cpu_s=1.0))
        assert part.energy_wh == pytest.approx(joule / 3600)


def test_recorded_counters_for_root_alone_are_told_with_the_remedy():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        zone = write_zone(Path(folder) / "intel-rapl:0", "package-0", 0)
        (zone / "energy_uj").chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65_534)  # root reads everything
        try:
            with pytest.raises(Unreadable, match="for root alone") as caught:
                find_counters(Path(folder))
        finally:
            if root:
                os.seteuid(0)
    assert "FAIRWIND_METER=cpu" in str(caught.value)


def test_recorded_counters_that_are_no_numbers_are_told_with_the_remedy(tmp_path):
    zone = write_zone(tmp_path / "intel-rapl:0", "package-0", 0)
    (zone / "energy_uj").write_text("garbage")
    with pytest.raises(Unreadable, match="Check FAIRWIND_RAPL_PATH"):
        find_counters(tmp_path)


def test_the_host_is_busy_at_least_as_long_as_this_process():
    times = os.times()
    assert host_busy_s() >= times.user + times.system - 0.1
