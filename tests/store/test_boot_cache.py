"""What was measured once for each start of the machine: kept, never measured again, and the same for two that measure at once."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier, Thread

from lab.store import boot_cache


def test_what_is_kept_is_not_measured_again(tmp_path: Path) -> None:
    assert boot_cache.kept(tmp_path, "speed") is None
    assert boot_cache.kept_or_measured(tmp_path, "speed", lambda: {"flops": 1.0}) == {"flops": 1.0}
    assert boot_cache.kept_or_measured(tmp_path, "speed", lambda: {"flops": 2.0}) == {"flops": 1.0}
    assert boot_cache.kept(tmp_path, "other") is None


def test_two_that_measure_at_once_get_the_same(tmp_path: Path) -> None:
    together, found = Barrier(2), []

    def ask(number: int) -> None:
        def measure() -> dict[str, int]:
            together.wait(10)
            return {"number": number}

        found.append(boot_cache.kept_or_measured(tmp_path, "speed", measure))

    threads = [Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 and found[0] == found[1]
    assert [file.suffix for file in (tmp_path / "cache" / "machine").iterdir()] == [".json"]


def test_a_file_that_is_no_json_is_measured_again(tmp_path: Path) -> None:
    boot_cache.kept_or_measured(tmp_path, "speed", lambda: {"flops": 1.0})
    (file,) = (tmp_path / "cache" / "machine").iterdir()
    file.write_text("{")
    assert boot_cache.kept_or_measured(tmp_path, "speed", lambda: {"flops": 2.0}) == {"flops": 2.0}
