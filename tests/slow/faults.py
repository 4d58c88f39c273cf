"""Every fault of disk and files, each with its promised outcome."""

import json
import os
import re
import shutil
import time
from pathlib import Path

from programs import assert_same_run, ended, mistake, newest, predict, rows, train

EPOCHS = "--config.epochs=4"


def on_a_disk(folder, size, script):
    """A command prefix that runs a program with a disk of its own mounted on a folder."""
    mount = f"mount -t tmpfs -o size={size} tmpfs {folder} && cp -a {folder}.from/. {folder}"
    return ("unshare", "--map-root-user", "--mount", "sh", "-c", f"{mount} && {script}", "sh")


def full_disk(base, reference):
    """One line, nothing half-written, and the checkpoint before is gone on from."""
    disk, kept = base / "disk", base / "kept"
    disk.mkdir()
    (base / "disk.from").mkdir()
    # The disk is gone with its program, so what it held is copied out.
    script = f'"$@"; status=$?; cp -a {disk} {kept}; exit $status'
    mistake(train(disk / "w", EPOCHS, within=on_a_disk(disk, "1900k", script)), "No space left")
    left = [path.name for path in (kept / "w" / "checkpoints").iterdir()]
    assert left and all(name.isdigit() for name in left), left
    assert not list((kept / "w").glob(".*.tmp"))
    ended(train(kept / "w", EPOCHS), 0)
    assert_same_run(reference, kept / "w")


def read_only_workdir(base, reference):
    """One line for training; prediction needs to write nothing there."""
    disk = base / "disk"
    disk.mkdir()
    shutil.copytree(reference, base / "disk.from" / "w")
    script = f'mount -o remount,ro {disk} && exec "$@"'
    within = on_a_disk(disk, "50m", script)
    mistake(train(disk / "w", EPOCHS, within=within), "cannot be written")
    mistake(predict(disk / "w", disk / "s.csv", within=within), "cannot be written")
    ended(predict(disk / "w", base / "s.csv", within=within), 0)


def workdir_in_use(base, reference):
    """One line for the second run; the first goes on; a kill leaves no lock behind."""
    first = train(base / "w", "--config.epochs=1000")
    while not (base / "w" / "metrics.csv").exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.01)
    mistake(train(base / "w", "--config.epochs=1000"), "another process is training")
    assert first.poll() is None
    first.kill()
    first.communicate()
    shutil.rmtree(base / "w")
    ended(train(base / "w", EPOCHS), 0)
    assert_same_run(reference, base / "w")


def _damaged(base, reference, damage):
    """The checkpoint before is used, with a warning, for training and for prediction."""
    work = shutil.copytree(reference, base / "w")
    bad = newest(work)
    damage(max((path for path in bad.rglob("*") if path.is_file()), key=_size))
    warning = re.escape(f"WARNING: {bad}: damaged checkpoint (")
    assert re.match(warning, ended(predict(work, base / "s.csv"), 0))
    assert re.match(warning, ended(train(work, EPOCHS), 0))
    assert_same_run(reference, work)


def _size(path):
    return path.stat().st_size


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def flipped_byte(base, reference):
    """The checkpoint before is used, with a warning that names the bad one."""
    _damaged(base, reference, _flip)


def missing_file(base, reference):
    """The same for a file of the newest checkpoint that is gone."""
    _damaged(base, reference, lambda path: path.unlink())


def every_checkpoint_damaged(base, reference):
    """One line, and nothing is touched."""
    work = shutil.copytree(reference, base / "w")
    for path in (work / "checkpoints").rglob("*"):
        if path.is_file() and path.stat().st_size:
            _flip(path)
    mistake(train(work, EPOCHS), "damaged checkpoint")
    mistake(predict(work, base / "s.csv"), "damaged checkpoint")
    assert not (base / "s.csv").exists()
    assert rows(work) == rows(reference)


def another_config(base, reference):
    """One line that names the field."""
    work = shutil.copytree(reference, base / "w")
    mistake(train(work, EPOCHS, "--config.seed=7"), "seed: 0 -> 7")
    assert_same_run(reference, work)


def another_version(base, reference):
    """One line for a record with other fields, and for arrays of other shapes."""
    work = shutil.copytree(reference, base / "w")
    path = work / "config.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"config": record["config"] | {"drop_path": 0.5}}))
    mistake(train(work, EPOCHS), "config.json: there is no field config.drop_path")
    path.write_text(json.dumps(record | {"config": record["config"] | {"members": 2}}))
    card = work / "README.md"
    text = card.read_bytes()
    card.unlink()
    mistake(train(work, EPOCHS, "--config.members=2"), "cannot be read")
    # Without it the run would not be finished, which is told in a line of its own.
    card.write_bytes(text)
    mistake(predict(work, base / "s.csv"), "cannot be read")


def cut_cache_entries(base, reference):
    """Compiled anew without a word, the same bits, and whole at the next start."""
    compiled = Path(os.environ["LENET_JAX_CACHE"]) / "compiled"
    entries = {path: path.stat().st_size for path in compiled.glob("jit_train_until-*-cache")}
    assert entries
    for path in entries:
        path.write_bytes(path.read_bytes()[:1000])
    told = ended(train(base / "w", EPOCHS), 0).splitlines()
    assert all(line.startswith(("Epoch", "Compil")) for line in told), told
    assert_same_run(reference, base / "w")
    assert max(map(_size, compiled.glob("jit_train_until-*-cache"))) > 1000


def files_of_the_user(base, reference):
    """One line each, and nothing is touched: README.md, submission.csv, the digits, a mirror."""
    mine = {"README.md": "mine", "submission.csv": "ImageId,Label\n1,2\n", "drive/2024/x.jpg": "x"}
    for name, text in mine.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(text)
    mistake(train(base, EPOCHS), "holds README.md")
    mistake(train(base / "w", EPOCHS, f"--mirror={base}/drive"), "2024: is no copy of a run")
    mistake(predict(reference, base / "submission.csv"), "is there already")
    itself = (f"--data={base}/submission.csv", "--overwrite")
    ended(predict(reference, base / "submission.csv", *itself), 2)
    for name, text in mine.items():
        assert (base / name).read_text() == text, name


ALL = (
    full_disk, read_only_workdir, workdir_in_use, flipped_byte, missing_file,
    every_checkpoint_damaged, another_config, another_version, cut_cache_entries, files_of_the_user,
)  # fmt: skip
