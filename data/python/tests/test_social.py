"""The generated network: its bytes, and that its references lead somewhere."""

from __future__ import annotations

from pathlib import Path

import oracle
import social

SAMPLES = Path(__file__).parents[2] / "samples"


def contents(folder: Path) -> dict[str, bytes]:
    paths = sorted(folder.rglob("*.car"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_the_samples_are_the_network_of_ten_accounts(tmp_path: Path) -> None:
    social.write(tmp_path, 10)
    assert contents(SAMPLES) == contents(tmp_path)


def test_subjects_and_replies_exist() -> None:
    rows = [row for car in contents(SAMPLES).values() for row in oracle.rows(car)]
    records = {(row["did"], row["collection"], row["rkey"]): row for row in rows}
    dids = {row["did"] for row in rows}
    replies = 0
    for row in rows:
        subject = row["subject"]
        reply = row["record"].get("reply", {})
        for ref in [*reply.values(), *([row["record"]["subject"]] if subject else [])]:
            if isinstance(ref, str):
                assert ref in dids
                continue
            did, collection, rkey = ref["uri"].removeprefix("at://").split("/")
            assert records[did, collection, rkey]["cid"] == ref["cid"]
            assert records[did, collection, rkey]["created_at"] <= row["created_at"]
        replies += bool(reply)
    assert replies > 10
