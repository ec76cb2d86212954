from __future__ import annotations

from pathlib import Path

from monitord.session.folder import Session
from tests.bench.calls import _OPENS, POLL_SECONDS, _lines, _polls

TRACE = """\
7 100.000000 newfstatat(4</r/s/targets>, "", {st_mode=S_IFDIR|0700}, AT_EMPTY_PATH) = 0
7 100.000100 openat(4</r/s/targets>, "a.yaml", O_RDONLY|O_NOFOLLOW) = 5</r/s/targets/a.yaml>
8 100.000200 openat(AT_FDCWD</>, "/r/s/targets", O_RDONLY <unfinished ...>
8 100.000300 <... openat resumed>) = 6</r/s/targets>
7 100.000400 openat(AT_FDCWD</>, "/r/s/windows", O_RDONLY) = 6</r/s/windows>
"""


def test_calls_on_the_drop_folder_are_counted_once_however_they_name_it(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_text(TRACE)
    lines = _lines(trace, Session(Path("/r"), "s"))
    assert [line.split()[1] for line in lines] == ["100.000000", "100.000100", "100.000200"]
    assert [bool(_OPENS.search(line)) for line in lines] == [False, True, False]


def test_calls_belong_to_one_poll_until_there_is_a_pause() -> None:
    moments = [0.0, 0.001, 0.002, POLL_SECONDS, POLL_SECONDS + 0.001, 5 * POLL_SECONDS]
    assert _polls([f"7 {moment} statx" for moment in moments]) == [3, 2, 1]
