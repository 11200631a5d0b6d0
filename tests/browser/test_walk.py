"""The whole loop as a person walks it, in a real browser: from sample data to a model that answers, and back."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, expect

from tests.acceptance.server import Server
from tests.browser.windows import Window, window

#: calls of the sample that a tiny model can be tuned on in seconds
FEW = 'output ~ "returns"'
ALIAS, BASE = "desk-bot", "smollm2-135m-instruct"


def test_from_a_log_to_a_better_model_and_back(browser: Browser, server: Server) -> None:
    with window(browser, server) as at:
        server.client.call("POST", "/deployments", {"alias": ALIAS, "model": BASE})
        take_the_sample(at)
        collect(at)
        examine(at)
        tune(at)
        with window(browser, server) as second:
            watch(at, second)
        compare(at)
        deploy(at)
        chat(at)
        roll_back(at)
    found = server.client.call("GET", f"/deployments?alias={ALIAS}")["data"]
    assert [one["model"].split(":")[0] for one in found] == [BASE, "ft", BASE]


def take_the_sample(at: Window) -> None:
    at.click("Try it with sample data")
    at.sees("of all calls", seconds=30)
    at.click("Logs", "link")
    at.ready()
    at.sees("564 calls")


def collect(at: Window) -> None:
    at.page.get_by_label("Filter", exact=True).fill(FEW)
    at.page.keyboard.press("Enter")
    expect(at.page).to_have_url(re.compile("where="))
    at.page.reload()
    at.ready()
    expect(at.page.get_by_label("Filter", exact=True)).to_have_value(FEW)
    at.click("Make a data set of these")
    at.page.get_by_label("Name of the data set").fill("desk")
    at.page.get_by_label("Split").fill("60/20/20")
    at.click("Make the data set")
    at.page.wait_for_url("**/datasets/desk*")
    at.ready()


def examine(at: Window) -> None:
    at.click("Examine", "link")
    at.page.wait_for_url("**/doctor*")
    at.ready()
    at.click("Make a clean data set")
    at.click("Make it")
    at.page.wait_for_url(re.compile(r"/datasets/(?!.*doctor)"))
    at.ready()


def tune(at: Window) -> None:
    at.click("Tune on it", "link")
    at.page.wait_for_url("**/tune?dataset=*")
    at.ready()
    at.page.get_by_label("How thorough").click()
    at.page.get_by_role("option", name=re.compile("^quick", re.I)).click()
    at.content.get_by_role("button", name="Tune", exact=True).click()
    at.page.wait_for_url("**/jobs/*")
    at.ready()


def watch(at: Window, second: Window) -> None:
    """Two windows at once; a reload and a restart of the server in the middle."""
    second.page.goto(at.page.url)
    at.page.reload()
    at.ready()
    for one in (at, second):
        one.sees("succeeded", seconds=240)
    second.faults = [fault for fault in second.faults if "WebSocket" not in fault]


def compare(at: Window) -> None:
    at.content.get_by_role("link", name="Compare", exact=True).first.click()
    at.page.wait_for_url("**/compare?*")
    at.ready()
    at.page.get_by_label("Examples in its prompt").fill("0")
    at.content.get_by_role("button", name="Compare", exact=True).click()
    at.page.wait_for_url("**/compare/eval_*")
    at.ready()
    at.sees("The verdict", seconds=120)
    at.sees("Side by side")


def deploy(at: Window) -> None:
    at.click("Models", "link")
    at.ready()
    at.click("Deploy")
    dialog = at.page.get_by_role("dialog", name="Deploy a model")
    dialog.get_by_label("Model").click()
    at.page.get_by_role("option", name=re.compile("^ft:")).first.click()
    dialog.get_by_label("Name", exact=True).fill(ALIAS)
    gate = dialog.get_by_text("Only if its verdict is yes")
    expect(gate).to_be_visible()
    gate.click()  # a dozen rows tell too little for a yes
    dialog.get_by_role("button", name="Deploy").click()
    at.sees(f"{ALIAS} is deployed")


def chat(at: Window) -> None:
    at.click("Chat", "link")
    at.page.wait_for_url("**/models/chat?*")
    at.ready()
    at.page.get_by_label("Message").fill("The lamp I bought last week is broken. What now?")
    at.click("Send")
    expect(at.page.get_by_role("button", name="Send")).to_be_visible(timeout=60_000)
    at.click("Logs", "link")
    at.ready()
    at.sees("The lamp I bought last week is broken")


def roll_back(at: Window) -> None:
    at.click("Models", "link")
    at.ready()
    at.click(f"Roll back {ALIAS}")
    at.page.get_by_role("dialog").get_by_role("button", name=re.compile("Roll back|Go back")).click()
    at.page.get_by_role("dialog").wait_for(state="hidden")
    expect(at.page.get_by_role("region", name=f"What answers as {ALIAS}")).not_to_contain_text("ft:")
