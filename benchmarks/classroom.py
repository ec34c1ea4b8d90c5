"""`make bench-class`: ten browsers at once in the app for a class, with the bundled model.

All open the page at the same moment; each chooses a different instrument, presses Generate, and waits for the sound.
Times are measured from opening the address. The browsers share the cores with the kernels and so slow them down. At the
end one more visitor arrives, for whom there is no place. `python benchmarks/classroom.py 4` uses four browsers.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from helpers import gansynth, instruments

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "browser"))
import controls
import drive

VISITORS = 10
NOTEBOOK = "notebooks/00_quickstart.ipynb"
WARM_SECONDS = 1200  # until all kernels must be warm, on a busy machine
PATIENCE = 600_000  # ms for anything in a page
DONE = re.compile(r"\d+ of \d+ notes in")


def kernels(server: drive.Server) -> list[psutil.Process]:
    return psutil.Process(server._process.pid).children()


def memory(server: drive.Server) -> str:
    """The memory of the server and its kernels; the resident size of each kernel includes memory shared by all."""
    own = psutil.Process(server._process.pid).memory_full_info().uss / 1e9
    found = [kernel.memory_full_info() for kernel in kernels(server)]
    private = [info.uss / 1e9 for info in found]
    resident = statistics.median(info.rss for info in found) / 1e9
    return (
        f"{own + sum(info.pss for info in found) / 1e9:.1f} GB in all; server {own:.2f}, {len(found)} kernels with "
        f"{statistics.median(private):.2f} of their own each (most {max(private):.2f}), resident {resident:.2f}"
    )


def processor(processes: list[psutil.Process]) -> float:
    """CPU seconds used by the processes so far."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def browsers() -> list[psutil.Process]:
    return [one for one in psutil.Process().children(recursive=True) if "--type=" in " ".join(one.cmdline())]


async def wait_until_warm(server: drive.Server, places: int) -> None:
    end = time.monotonic() + WARM_SECONDS
    while f"{places} of {places} places warm" not in server.output:
        if time.monotonic() > end:
            raise RuntimeError(f"not warm after {WARM_SECONDS} s:\n{server.output}")
        await asyncio.sleep(0.5)


async def window(browser: Any) -> Any:
    page = await (await browser.new_context(viewport=drive.WINDOW)).new_page()
    page.set_default_timeout(PATIENCE)
    return page


async def visit(page: Any, address: str, instrument: str) -> dict[str, Any]:
    """Simulate one visitor; returns the times of the first sound and of the chosen instrument's, and that sound."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    began = time.monotonic()
    await page.goto(address)

    def control(title: str) -> Any:
        return page.locator(".gansynth-control", has=page.get_by_role("heading", name=title, exact=True))

    generate = control("Generate")
    audio = await generate.locator("audio").element_handle()
    await page.wait_for_function("audio => audio.duration > 0", arg=audio)
    first = time.monotonic() - began
    before = await audio.evaluate("audio => audio.src")
    await control("Timeline").locator("select").first.select_option(instrument)
    await generate.get_by_text(re.compile("^Out of date")).wait_for()
    await generate.get_by_role("button", name="Generate").click()
    await page.wait_for_function(controls.IS_NEW, arg=[audio, before])
    own = time.monotonic() - began
    heard = await audio.evaluate(controls.DECODE)
    await generate.get_by_text(DONE).wait_for()
    report = await generate.locator("pre").inner_text()
    return {"first": first, "own": own, "heard": heard, "is_its_own": instrument in report, "errors": errors}


async def measure(visitors: int) -> int:
    from playwright.async_api import async_playwright

    names = list(instruments.named(gansynth.load("demo")))[:visitors]
    with tempfile.TemporaryDirectory() as temporary:
        checkout = Path(temporary, "checkout")
        drive.copy(checkout)
        environment = drive.environment(Path(temporary, "jupyter"))
        for name in drive.THREADS:  # the default number of threads, as in a class
            del environment[name]
        with drive.classroom(checkout, environment, NOTEBOOK, visitors) as server:
            began = time.monotonic()
            await wait_until_warm(server, visitors)
            spent = processor(kernels(server))
            print(f"warm after {time.monotonic() - began:.0f} s, {spent / visitors:.1f} CPU seconds per kernel")
            print(f"warm: {memory(server)}", flush=True)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=drive.CHROMIUM, args=drive.FLAGS)
                pages = [await window(browser) for _ in names]
                visits = await asyncio.gather(*map(visit, pages, [server.url] * visitors, names))
                print(f"after all have played: {memory(server)}")
                each = (processor(kernels(server)) - spent) / visitors
                print(f"CPU seconds per visit: {each:.1f} in the kernels", end=", ")
                print(f"{processor(browsers()) / visitors:.1f} in the browsers, which in a class run on other machines")
                late = await window(browser)
                answer = await late.goto(server.url)
                print(f"a visitor without a place gets {answer.status}: {await late.inner_text('body')}")
                await browser.close()
    for what, key in (("first sound", "first"), ("sound of the chosen instrument", "own")):
        seconds = [one[key] for one in visits]
        print(f"{what} after {statistics.median(seconds):.1f} s (median), {max(seconds):.1f} s (worst)")
    sounds = np.array([one["heard"]["sound"] for one in visits])
    distinct = len(np.unique(sounds.round(4), axis=0))
    right = sum(one["is_its_own"] and one["heard"]["level"] > controls.SILENCE for one in visits)
    errors = sum(len(one["errors"]) for one in visits)
    print(f"{right} of {visitors} got their instrument, {distinct} different sounds, {errors} errors on the pages")
    return 0 if right == distinct == visitors and not errors else 1


def main() -> int:
    visitors = int(sys.argv[1]) if len(sys.argv) > 1 else VISITORS
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {visitors} browsers at once")
    return asyncio.run(measure(visitors))


if __name__ == "__main__":
    sys.exit(main())
