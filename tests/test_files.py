import os
import resource
import stat
from typing import ClassVar

import pytest

from lenet_jax import files
from lenet_jax.errors import UserError
from lenet_jax.files import printable, target, write_atomically, write_together
from lenet_jax.runs import checksums, workdir
from support.digit_files import refused


def test_content_is_written_as_it_is(tmp_path):
    path = tmp_path / "a.csv"
    write_atomically(path, "é,1\n")
    assert path.read_bytes() == b"\xc3\xa9,1\n"
    write_atomically(str(path), b"\r\n\0", sync=False)
    assert path.read_bytes() == b"\r\n\0"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_are_those_of_any_new_file(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "a", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.csv"
    link.symlink_to("real/a.csv")
    write_atomically(link, "x")
    assert link.is_symlink()
    assert (tmp_path / "real" / "a.csv").read_text() == "x"


def test_the_longest_name_there_is(tmp_path):
    write_atomically(tmp_path / ("x" * 255), "x")
    message = refused(write_atomically, tmp_path / ("x" * 256), "x")
    assert message.endswith("cannot be written (File name too long)")
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_no_place_for_a_file(tmp_path):
    assert refused(write_atomically, tmp_path, "x") == (
        f"{tmp_path}: is a folder; give the name of a file"
    )
    missing = tmp_path / "missing" / "a.csv"
    expected = f"{missing}: its folder does not exist; create it first"
    assert refused(write_atomically, missing, "x") == expected
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert "is not a regular file" in refused(write_atomically, pipe, "x")
    assert "cannot be written" in refused(write_atomically, f"{tmp_path}/a\0b", "x")
    assert "\\n" in refused(write_atomically, f"{tmp_path}/a\nb/c", "x")
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "is a link to itself" in refused(write_atomically, loop, "x")
    assert sorted(tmp_path.iterdir()) == [loop, pipe]


def test_what_is_no_place_for_a_file_is_known_before(tmp_path):
    assert target(tmp_path / "made/later/a.csv", with_folders=True).name == "a.csv"
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("missing/a.csv")
    refusal = refused(target, tmp_path / "file/a.csv", with_folders=True)
    assert refusal.startswith(f"{tmp_path}/file: cannot be made a folder (a file is there); ")
    # Nobody has asked for the folder that a link names.
    assert "its folder does not exist" in refused(target, tmp_path / "link", with_folders=True)
    assert "is not a regular file" in refused(target, "/dev/full", with_folders=True)
    assert not (tmp_path / "made").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    expected = "cannot be written (Permission denied)"
    assert refused(write_atomically, folder / "a.csv", "x").endswith(expected)


def test_a_write_that_fails_half_way_leaves_the_old_content(tmp_path):
    path = tmp_path / "a.csv"
    write_atomically(path, "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system then writes 100,000 bytes of the file and refuses the rest, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        message = refused(write_atomically, path, "x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert message == f"{path}: cannot be written (File too large)"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_of_files_that_belong_together_none_is_written_without_room_for_all(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        message = refused(write_together, [(first, "x"), (second, "x" * 200_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert message == f"{second}: cannot be written (File too large)"
    assert not list(tmp_path.iterdir())
    write_together([(first, "x"), (second, b"y")])
    assert first.read_text() + second.read_text() == "xy"


def test_what_a_killed_write_has_left_is_removed(tmp_path):
    left = tmp_path / f".metrics.csv.{'0a' * 8}.tmp"
    others = [tmp_path / name for name in (".metrics.csv.tmp", "metrics.csv", f".a.{'0a' * 8}.tmp")]
    for path in (left, *others):
        path.touch()
    with workdir.locked(tmp_path):
        assert not left.exists()
    assert all(path.exists() for path in others)


def test_a_checksum_of_a_device_is_not_taken(tmp_path):
    (tmp_path / checksums.NAME).write_text('{"/dev/zero": ""}')
    assert checksums.damage(tmp_path) == "/dev/zero is no regular file"


def test_json_of_any_depth_is_one_line(tmp_path):
    deep = "[" * 100_000
    for name in (checksums.NAME, workdir.CONFIG, workdir.CALIBRATION):
        (tmp_path / name).write_text(deep)
    assert checksums.damage(tmp_path) == f"{checksums.NAME} has changed"
    for read in (workdir.read, workdir.read_temperature):
        with pytest.raises(UserError, match="depth") as caught:
            read(tmp_path)
        assert "\n" not in str(caught.value)


def test_shown_is_one_line():
    assert printable("a/ü.csv") == "a/ü.csv"
    assert printable("a\nb\x1b[31m") == r"'a\nb\x1b[31m'"
    assert printable(os.fsdecode(b"\xff")) == r"'\udcff'"


@pytest.fixture
def bucket():
    """A file system of URIs: fsspec's own in memory, in the place of s3://."""
    fsspec = pytest.importorskip("fsspec")
    from fsspec.implementations.memory import MemoryFileSystem

    class Bucket(MemoryFileSystem):
        protocol = "s3"
        store: ClassVar = {}
        pseudo_dirs: ClassVar = [""]

        @classmethod
        def _strip_protocol(cls, path):
            return "/" + path.removeprefix("s3://").strip("/")

    fsspec.register_implementation("s3", Bucket, clobber=True)
    return "s3://bucket/run"


def test_a_uri_is_not_taken_for_a_folder_here(bucket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    where = files.to_path(bucket)
    where.mkdir(parents=True, exist_ok=True)
    files.write_atomically(where / "a.txt", "old")
    files.write_atomically(f"{bucket}/a.txt", "new")
    assert (where / "a.txt").read_text() == "new"
    assert files.printable(where / "a.txt") == "s3://bucket/run/a.txt"
    assert not any(tmp_path.iterdir())


def test_the_files_of_a_run_in_a_bucket(bucket):
    with workdir.locked(bucket):
        row = dict.fromkeys(workdir.COLUMNS) | {"epoch": 1.0, "train_loss": 0.5}
        workdir.write_metrics(bucket, [row])
    assert workdir.read_metrics(bucket) == [row]
    assert workdir.read_metrics(f"{bucket}2") == []
    assert workdir.read(f"{bucket}2") is None
    checksums.write(files.to_path(bucket))
    assert checksums.damage(files.to_path(bucket)) is None
    files.write_atomically(f"{bucket}/metrics.csv", "changed")
    assert checksums.damage(files.to_path(bucket)) == "metrics.csv has changed"


def test_a_file_system_that_is_not_installed():
    with pytest.raises(UserError, match="nowhere://x: cannot be reached"):
        files.to_path("nowhere://x")
