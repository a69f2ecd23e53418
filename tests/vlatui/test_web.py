"""The dashboard in a browser: served on loopback to whoever knows the secret, and to nobody else."""

import asyncio
import base64
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from patience import PATIENCE_S, Patience
from patience import until as until_true
from vlad.records.rundir import Home, RunDirectory

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)/([\w-]{40,})/")
AGAIN_S = 5.0
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def address(home: Home, runs: dict[str, RunDirectory], tmp_path: Path) -> Iterator[str]:
    """A real `vlatui --web --readonly`, and what it printed."""
    server = subprocess.Popen(
        [sys.executable, "-m", "vlatui.cli", "--web", "--port", "0", "--readonly"], stdout=subprocess.PIPE, text=True,
        stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert server.stdout is not None
    found = ADDRESS.search(server.stdout.readline())
    assert found is not None
    yield found[0]
    server.send_signal(signal.SIGINT)
    server.wait(PATIENCE_S)
    server.stdout.close()


async def test_who_does_not_know_the_secret_gets_403(address: str) -> None:
    base, secret = address.rstrip("/").rsplit("/", 1)
    wrong = f"{base}/{secret[::-1]}/"
    async with aiohttp.ClientSession() as browser:
        for url in (f"{base}/", f"{base}/ws", f"{base}/static/js/textual.js", f"{base}/{secret}", wrong, f"{wrong}ws"):
            assert (await browser.get(url)).status == 403, url
        for name, value in (("Host", "evil.example:80"), ("Origin", "http://evil.example")):
            assert (await browser.get(f"{address}ws", headers={name: value})).status == 403, name
        page = await browser.get(address)
        assert page.status == 200
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert f"/{secret}/ws" in await page.text()


async def shown(socket: aiohttp.ClientWebSocketResponse, words: str) -> bool:
    """Whether the page is sent these words."""
    seen = ""
    async for message in socket:
        seen += message.data.decode(errors="replace") if message.type is aiohttp.WSMsgType.BINARY else ""
        if words in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen):
            return True
    return False


async def test_the_page_shows_the_runs_and_takes_keys(address: str) -> None:
    timeout: Any = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as browser,
        browser.ws_connect(f"{address}ws?width=120&height=36") as socket,
    ):
        assert await shown(socket, "libero_spatial-method")
        await socket.send_json(["stdin", "2"])
        assert await shown(socket, "84%")


class Chromium:
    """A headless Chromium with one page, told what to do over its debugging protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def ask(self, method: str, **parameters: object) -> Any:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        async for message in self._socket:
            said = message.json()
            if said.get("id") == self._number:
                return said["result"]
        raise AssertionError("Chromium has gone")

    async def until(self, expression: str) -> None:
        """Waits until the page's script says true."""
        patience = Patience(expression)
        while (await self.ask("Runtime.evaluate", expression=expression))["result"].get("value") is not True:
            patience.spend()
            await asyncio.sleep(0.1)

    async def picture(self) -> bytes:
        return base64.b64decode((await self.ask("Page.captureScreenshot"))["data"])


@pytest.fixture
def chromium(address: str, tmp_path: Path) -> Iterator[str]:
    """The address at which a Chromium that shows the dashboard is told what to do."""
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    profile = tmp_path / "profile"
    browser = subprocess.Popen(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
         "--remote-debugging-port=0", "--window-size=1200,700", address],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    port = profile / "DevToolsActivePort"
    try:
        until_true(lambda: port.is_file() and port.read_text().count("\n") == 1, "Chromium listens")
        yield f"http://127.0.0.1:{port.read_text().splitlines()[0]}/json/list"
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()


async def test_chromium_shows_the_runs_and_its_keys_reach_them(chromium: str) -> None:
    async with aiohttp.ClientSession() as session:
        pages = await (await session.get(chromium)).json()
        page = next(page for page in pages if page["type"] == "page")
        async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            browser = Chromium(socket)
            await browser.until("document.body.classList.contains('-first-byte')")
            before = await until_still(browser)
            await browser.until("document.querySelector('textarea') !== null")
            shown = await until_changed(browser, before, "?")
            assert len(shown) > 20_000, "a page of text is no small picture"


async def until_still(browser: Chromium) -> bytes:
    """The page once two pictures of it are the same."""
    last, patience = b"", Patience("two pictures that are the same")
    while (now := await browser.picture()) != last:
        patience.spend()
        last = now
        await asyncio.sleep(0.3)
    return last


async def until_changed(browser: Chromium, before: bytes, key: str) -> bytes:
    """The page after the key was typed; typed again where nothing came of it for some seconds."""
    patience = Patience(f"the key {key!r} changes the page")
    while True:
        patience.spend()
        await browser.ask("Runtime.evaluate", expression="document.querySelector('textarea').focus()")
        await browser.ask("Input.dispatchKeyEvent", type="char", text=key)
        again = time.monotonic() + AGAIN_S
        while time.monotonic() < again:
            now = await browser.picture()
            if abs(len(now) - len(before)) > 2000:
                return now
            await asyncio.sleep(0.1)


async def test_a_port_that_is_taken_is_refused_in_one_line(address: str) -> None:
    port = address.split(":")[2].split("/")[0]
    done = subprocess.run(
        [sys.executable, "-m", "vlatui.cli", "--web", "--port", port], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(f"vlatui: --port {port}: ")
    assert done.stderr.count("\n") == 1
