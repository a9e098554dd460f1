"""``GET /api/jobs/{id}/out.tar``: what a job wrote, as a tar that every tar reads."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from lab.server.jobs import tar_of
from lab.store.jobs import JobStore
from tests.server.conftest import Lab
from tests.server.test_jobs import ASK


def test_the_tar_holds_every_file_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    wanted = {
        "README.md": "# 模型".encode(),
        "base/model.safetensors": bytes(range(256)) * 5000,
        "empty.txt": b"",
        "exact.bin": b"x" * 512,
        f"{'long' * 40}.json": b"{}",
    }
    for name, content in wanted.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to("/etc/hostname")
    with tarfile.open(fileobj=io.BytesIO(b"".join(tar_of(tmp_path, "run-out")))) as tar:
        members = {each.name: tar.extractfile(each) for each in tar.getmembers()}
        found = {name.removeprefix("run-out/"): file.read() for name, file in members.items() if file}
    assert found == wanted


def test_only_the_owner_takes_along_what_was_written(lab: Lab) -> None:
    client = lab.client()
    job_id = client.post("/api/jobs", json=ASK).json()["id"]
    answer = client.get(f"/api/jobs/{job_id}/out.tar")
    assert answer.status_code == 409 and answer.json()["error"]["key"] == "out_not_written"
    folder = JobStore(lab.store.home).folder(job_id).path / "out"
    folder.mkdir()
    (folder / "README.md").write_text("hello")
    answer = client.get(f"/api/jobs/{job_id}/out.tar")
    assert answer.status_code == 200 and ".tar" in answer.headers["content-disposition"]
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        assert [each.name.split("/")[1] for each in tar.getmembers()] == ["README.md"]
    assert client.get("/api/jobs/20200101-000000-aaaa/out.tar").status_code == 404
    client.delete(f"/api/jobs/{job_id}")
