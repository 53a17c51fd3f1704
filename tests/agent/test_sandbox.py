"""Commands: what they may touch, and that none survives its end."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from agent.sandbox import OUTPUT_LIMIT, Sandbox

needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap (bwrap) is not installed")


@pytest.fixture
def room(tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    folder.mkdir()
    return folder


def alive(mark: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@needs_bwrap
async def test_nothing_outside_the_copy_can_be_written_or_reached(room: Path, tmp_path: Path) -> None:
    box = Sandbox(room)
    if await box.level() != "L3":
        pytest.skip("this machine does not let bubblewrap make namespaces")
    outside = tmp_path / "secret"
    outside.write_text("planted")
    for script in (
        f"echo x > {tmp_path}/made",
        f"cat {outside}",
        "cat /proc/1/environ | tr '\\0' '\\n' | grep PLANTED_SECRET",
        "ls /root /home 2>&1 | grep . && exit 3",
    ):
        result = await box.run(["sh", "-c", script], deadline=10)
        assert "planted" not in result.output
        assert not (tmp_path / "made").exists()
    result = await box.run(
        ["sh", "-c", "echo inside > made; ls /sys/class/net 2>/dev/null; ip a 2>/dev/null"], deadline=10
    )
    assert (room / "made").read_text() == "inside\n"
    assert "eth0" not in result.output


async def test_the_deadline_ends_it_and_everything_it_started(room: Path) -> None:
    box = Sandbox(room)
    mark = f"harness-survivor-{room.parent.name}"
    script = f"sh -c 'sleep 60; : {mark}' & setsid sh -c 'sleep 60; : {mark}' & sleep 60"
    if await box.level() != "L3":
        script = f"sh -c 'sleep 60; : {mark}' & sleep 60"
    result = await box.run(["sh", "-c", script], deadline=0.3)
    assert result.exit_code is None
    async with asyncio.timeout(5):
        while alive(mark):
            await asyncio.sleep(0.01)


async def test_the_kill_switch_ends_what_runs(room: Path) -> None:
    box = Sandbox(room)
    await box.level()
    mark = f"harness-killed-{room.parent.name}"
    task = asyncio.create_task(box.run(["sh", "-c", f"sleep 60; : {mark}"], deadline=60))
    async with asyncio.timeout(5):
        while not alive(mark):
            await asyncio.sleep(0.01)
    assert await box.kill_all() == 1
    await task
    assert not alive(mark)


async def test_tests_and_the_harness_own_files_cannot_be_written_from_inside(room: Path) -> None:
    (room / "subject.toml").write_text("kept")
    (room / "runbooks").mkdir()
    box = Sandbox(room)
    if await box.level() != "L3":
        pytest.skip("nothing can be held read-only at this level")
    await box.run(
        ["sh", "-c", "echo x > subject.toml; mv subject.toml y; echo x > runbooks/new.md; echo x > made"], deadline=10
    )
    assert (room / "subject.toml").read_text() == "kept"
    assert not list((room / "runbooks").iterdir())
    assert (room / "made").exists()
    await box.run(["sh", "-c", "echo x > unmade"], deadline=10, may_write=False)
    assert not (room / "unmade").exists()


async def test_without_namespaces_too_nothing_survives(room: Path) -> None:
    box = Sandbox(room)
    box._level = "L1"
    mark = f"harness-escaped-{room.parent.name}"
    began = await box.run(["sh", "-c", f"setsid sh -c 'sleep 60; : {mark}' & echo said; exit 3"], deadline=20)
    assert (began.exit_code, began.output) == (3, "said\n")
    assert began.seconds < 15
    assert not alive(mark)
    with pytest.raises(OSError, match="no-such-program-here"):
        await box.run(["no-such-program-here"], deadline=5)


async def test_a_killed_harness_leaves_no_command_behind(room: Path) -> None:
    mark = f"harness-orphan-{room.parent.name}"
    program = (
        "import asyncio, pathlib, sys; from agent.sandbox import Sandbox; box = Sandbox(pathlib.Path(sys.argv[1]));"
        "box._level = 'L1'; asyncio.run(box.run(['sh', '-c', sys.argv[2]], deadline=60))"
    )
    script = f"setsid sh -c 'sleep 60; : {mark}' & sleep 60"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(room), script)
    async with asyncio.timeout(20):
        while len(alive(mark)) < 3:  # the program's own arguments, the shell and the one that escapes
            await asyncio.sleep(0.01)
        process.kill()
        await process.wait()
        while alive(mark):
            await asyncio.sleep(0.01)


async def test_a_flood_of_output_is_cut_and_does_not_block(room: Path) -> None:
    result = await Sandbox(room).run(["sh", "-c", "yes | head -c 400000; echo end >&2; exit 4"], deadline=20)
    assert result.exit_code == 4
    assert result.truncated
    assert len(result.output) <= OUTPUT_LIMIT


async def test_a_program_that_is_not_there_is_an_error_or_a_failure(room: Path) -> None:
    box = Sandbox(room)
    try:
        result = await box.run(["no-such-program-here"], deadline=5)
    except OSError:
        return
    assert result.exit_code not in {0, None}
