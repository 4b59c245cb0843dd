"""`kill -9` of the service on its own file loses nothing that was answered (R1; two instances on PostgreSQL:
`test_store_faults`)."""

from __future__ import annotations

import random
from pathlib import Path

from tests.fault.harness import Row, embedded, kill_rounds, sizes


@sizes((5, 50), (1, 20))
def test_kill_under_load_loses_no_answer(tmp_path: Path, size: tuple[int, ...], fault_table: Row) -> None:
    with embedded(tmp_path) as stand:
        kill_rounds(stand, *size, random.SystemRandom().randrange(2**32), fault_table)
