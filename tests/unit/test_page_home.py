"""Home."""

from __future__ import annotations

from pathlib import Path

from tests.unit.page_user import user_of
from tuneloop.loop import Loop
from tuneloop.settings import Settings


async def test_home(tmp_path: Path) -> None:
    loop = Loop(settings=Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'tuneloop.db'}"))
    async with user_of(loop) as user:
        await user.open("/")
        await user.should_see("The loop")
    async with user_of(loop) as user:
        await user.open("/")
        await user.should_see("The loop")
    loop.store.close()
