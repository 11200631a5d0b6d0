import copy
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.unit.sample_report import sample_report
from tuneloop import pages
from tuneloop.reports import plots, write_markdown, write_page
from tuneloop.reports.differences import pieces
from tuneloop.reports.markdown import plain
from tuneloop.reports.numbers import dollars, milliseconds
from tuneloop.reports.plots import Point, axis, log_axis

SAMPLE = sample_report()
SMALL = sample_report(rows=8)


def parsed(page: str) -> ElementTree.Element:
    """The page as a strict parser sees it: whatever is not closed or not quoted is an error."""
    assert page.startswith("<!DOCTYPE html>")
    return ElementTree.fromstring(page)


def words(element: ElementTree.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def tables(markdown: str) -> list[list[list[str]]]:
    """The tables of a Markdown text, as rows of cells."""
    found: list[list[list[str]]] = []
    tokens: list[Token] = MarkdownIt("commonmark", {"html": False}).enable("table").parse(markdown)
    for token, inline in zip(tokens, [*tokens[1:], tokens[-1]], strict=True):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("th_open", "td_open"):
            found[-1][-1].append(inline.content)
    return found


def test_the_page_has_the_verdict_first_and_every_arm_with_its_numbers() -> None:
    page = parsed(write_page(SAMPLE))
    said = words(page)
    first = page.find(".//section")
    assert first is not None and first.get("class") == "answer good"
    assert "at least as good as gpt-4o-mini" in words(first)
    for arm in SAMPLE["arms"]:
        assert arm["name"] in said and arm["model"] in said
        assert f"{100 * arm['metrics']['label_accuracy']:.1f} %" in said
        assert f"{arm['latency_ms']['p50']:,.0f} ms" in said and f"{arm['latency_ms']['p95']:,.0f} ms" in said
        assert dollars(arm["cost_per_1000"]) in said
    order = [words(heading) for heading in page.iter("h2")]
    assert order == [
        "The arms",
        "In pictures",
        "Groups of rows",
        "Labels it mistakes for others",
        "Cost",
        "Would more rows help?",
        "Has it forgotten anything?",
        "What went wrong on the way",
        "Rows that are answered differently",
        "How it was measured",
    ]


def test_what_speaks_against_the_candidate_is_said_openly() -> None:
    said = words(parsed(write_page(SAMPLE)))
    assert "The candidate is worse in 1 group: exchange_rate" in said
    assert "5 examples: no answer in time, 1 time: no answer within 30 s (rows row-7)" in said
    assert "row-9001: no assistant message at its end" in said
    assert "exchange_rate refund_missing 9" in said
    assert "96,000 calls a month: 38,211 logged calls in 11.9 days" in said
    assert "paid for itself with call 149" in said


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    page = write_page(SAMPLE)
    assert not re.search(r"https?:|//[a-z]|src=|href=|url\(|@import|<script|<link|javascript:", page)
    assert write_page(SAMPLE) == page


def test_what_models_wrote_is_text() -> None:
    report = copy.deepcopy(SAMPLE)
    evil = "</p></article><script>alert(1)</script>\x00\x1b[31m\ud800 & <b>\"'"
    report["title"] = report["verdict"]["sentence"] = evil
    report["arms"][3]["model"] = evil
    for result in report["results"][:3]:
        result["input"] = result["reference"] = evil
        result["answers"]["as logged"] |= {"text": evil, "error": evil}
    page = write_page(report)
    page.encode()
    assert parsed(page).find(".//script") is None
    assert "<script" not in page and "&lt;script&gt;" in page
    html = MarkdownIt("commonmark").enable("table").render(write_markdown(report))
    assert "<script" not in html and "<b>" not in html


def test_markdown_has_the_same_numbers_in_tables() -> None:
    text = write_markdown(SAMPLE)
    found = tables(text)
    assert all(len({len(row) for row in table}) == 1 for table in found)
    arms = next(table for table in found if "quality" in table[0])
    assert [row[0].split(" (")[0] for row in arms[1:]] == [arm["name"] for arm in SAMPLE["arms"]]
    assert arms[2][2].startswith(r"**-58.3 points**")
    assert text.startswith("# Support desk: who answers the tickets?\n\n")
    assert "**The verdict: yes.** Yes: the tuned model" in text
    assert "<svg" not in text and "In pictures" not in text


@given(st.text(st.sampled_from("a1 _*`#|<>[]()!-+.~&$\\{}"), min_size=1, max_size=30))
def test_markdown_takes_nothing_of_a_text_for_itself(text: str) -> None:
    html = MarkdownIt("commonmark", {"html": False}).render(plain(text))
    inside = ElementTree.fromstring(html or "<p/>")
    assert inside.tag == "p" and len(inside) == 0
    assert (inside.text or "") == " ".join(text.split())


def test_rows_that_the_candidate_loses_come_first_and_the_rest_is_counted() -> None:
    page = parsed(write_page(SAMPLE))
    articles = list(page.iter("article"))
    verdicts = [words(next(article.iter("span"))) for article in articles]
    assert len(articles) == 50
    assert verdicts == sorted(verdicts, key=["the candidate is worse", "the candidate is better"].index)
    assert {"the candidate is worse", "the candidate is better"} == set(verdicts)
    differing = sum(
        len({answer["scores"]["label_accuracy"] for answer in one["answers"].values()}) > 1 for one in SAMPLE["results"]
    )
    assert f"And {differing - 50} more rows" in words(page)


def test_arms_that_say_the_same_share_a_place() -> None:
    report = copy.deepcopy(SMALL)
    report["results"] = report["results"][:1]
    for name, answer in report["results"][0]["answers"].items():
        answer["text"] = "card_arrival" if name == "as logged" else "card_lost"
        answer["scores"]["label_accuracy"] = float(name == "as logged")
    said = [words(one) for one in parsed(write_page(report)).iterfind(".//div[@class='said']/div")]
    assert said == [
        "as logged right card_arrival",
        "tuned, short prompt wrong , prompted wrong , 5 examples wrong , tuned wrong card_lost",
    ]


def test_scores_that_are_no_percent_and_differences_word_by_word() -> None:
    report = copy.deepcopy(SMALL)
    report["primary"] = "chrf"
    for number, result in enumerate(report["results"]):
        result["reference"] = "Your refund is on its way, dear customer."
        for name, answer in result["answers"].items():
            score = 0.9 if name == "as logged" else 0.8 - number / 100
            answer |= {"text": "Your parcel is on its way, dear customer.", "error": None, "scores": {"chrf": score}}
    page = parsed(write_page(report))
    articles = list(page.iter("article"))
    # The largest loss comes first.
    assert [words(next(one.iter("code"))) for one in articles] == [f"row-{7 - i}" for i in range(8)]
    assert [words(one) for one in articles[0].iter("del")] == ["refund"]
    assert [words(one) for one in articles[0].iter("ins")] == ["parcel"]
    assert "as logged 0.90 , tuned, short prompt 0.73" in words(articles[0])
    assert "points" not in words(next(page.iter("table")))


def test_no_failure_is_said_too() -> None:
    report = copy.deepcopy(SMALL) | {"skipped": []}
    for arm in report["arms"]:
        arm |= {"errors": 0, "timeouts": 0, "grader_failures": 0, "problems": []}
    assert "No call failed, no grader failed, no row was left out." in words(parsed(write_page(report)))


@pytest.mark.parametrize(
    ("answer", "kind"), [("yes", "good"), ("no", "bad"), ("needs_more", "warn"), (None, "plain"), ("?", "plain")]
)
def test_the_verdict_has_a_colour_and_a_word(answer: str | None, kind: str) -> None:
    report = SMALL | {"verdict": {**SMALL["verdict"], "answer": answer, "rows_needed": 120}}
    box = parsed(write_page(report)).find(".//section")
    assert box is not None and box.get("class") == f"answer {kind}"
    assert "About 120 more rows" in words(box)


def test_a_candidate_that_costs_more_is_not_sold_as_a_saving() -> None:
    cost = SMALL["cost"] | {
        "saving_per_month": -3.5,
        "saving_per_1000": -0.1,
        "break_even_calls": None,
        "break_even_days": None,
    }
    said = words(parsed(write_page(SMALL | {"cost": cost})))
    assert "it costs $3.50 a month more" in said and "never, as no call is cheaper" in said
    unknown = cost | {"saving_per_month": None, "saving_per_1000": 0.04, "calls_per_month": None}
    assert "The candidate saves $0.04 on 1,000 calls." in words(parsed(write_page(SMALL | {"cost": unknown})))
    assert "Dearer in a month" in said and "Saved in a month" not in said


def test_groups_that_are_flagged_are_all_listed() -> None:
    group = SMALL["segments"][1]
    found = [{**group, "value": f"g{i}", "flag": "worse" if i % 2 else None} for i in range(80)]
    said = words(parsed(write_page(SMALL | {"segments": found})))
    assert all(f"g{i} label" in said for i in range(1, 80, 2))
    assert "And 40 more groups without a difference" in said


def test_a_title_may_be_that_of_a_section() -> None:
    page = parsed(write_page(SMALL | {"title": "Cost"}))
    assert [words(heading) for heading in page.iter("h1")] == ["Cost"]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield (*path, key)
            yield from paths(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from paths(one, (*path, index))


PATHS = sorted({path for path in paths(SMALL) if path[0] != "results" or path[1:2] in ((), (3,))}, key=str)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PATHS), min_size=1, max_size=40), st.sampled_from([None, float("nan"), [], {}]))
def test_any_part_may_be_missing(gone: list[tuple[Any, ...]], instead: Any) -> None:
    report = copy.deepcopy(SMALL)
    for path in sorted(gone, key=len, reverse=True):
        holder: Any = report
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = instead
    page = parsed(write_page(report))
    assert "nan" not in words(page).split() and "None" not in words(page).split()
    tables(write_markdown(report))


@pytest.mark.parametrize("report", [{}, {"arms": []}, {"arms": [{}]}, {"arms": None, "results": None, "cost": {}}])
def test_an_empty_report_says_that_there_is_nothing(report: dict[str, Any]) -> None:
    assert "The report holds no verdict" in words(parsed(write_page(report)))
    assert write_markdown(report).startswith("# Evaluation\n")


texts = st.text(st.sampled_from("ab ,.\nx"), max_size=60)


@given(texts, texts)
def test_differences_give_both_texts_back(text: str, reference: str) -> None:
    found = list(pieces(text, reference))
    assert "".join(piece.text for piece in found if piece.kind != "missing") == text
    if any(piece.kind != "same" for piece in found):
        assert "".join(piece.text for piece in found if piece.kind != "added") == reference


def test_texts_with_little_in_common_are_not_marked() -> None:
    assert [piece.kind for piece in pieces("card_lost", "top up failed")] == ["same"]
    assert [piece.kind for piece in pieces("word " * 1000, "word " * 999)] == ["same"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
def test_axes_hold_their_values_and_have_some_ticks(values: list[float]) -> None:
    found = axis(values)
    assert all(-1e-9 <= found.place(value) <= 1 + 1e-9 for value in values)
    assert 2 <= len(found.ticks) <= 8
    assert all(-0.001 <= found.place(tick) <= 1.001 for tick in found.ticks)


@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=9))
def test_axes_in_proportion_too(values: list[float]) -> None:
    found = log_axis(values)
    assert all(0 <= found.place(value) <= 1 for value in values)
    assert all(0 <= found.place(tick) <= 1 for tick in found.ticks)


def test_names_in_a_plot_do_not_lie_upon_each_other() -> None:
    points = [Point(f"arm number {i}", 0.5 + i / 1000, None, None, x=10.0 + i / 100) for i in range(5)]
    svg = ElementTree.fromstring(plots.scatter(points, str, str))
    heights = [float(text.attrib["y"]) for text in svg.iter("text") if "name" in text.attrib["class"]]
    anchors = [text.attrib["text-anchor"] for text in svg.iter("text") if "name" in text.attrib["class"]]
    assert len(set(zip(anchors, heights, strict=True))) == 5


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "$0.00"), (1234.5, "$1,234.50"), (0.682, "$0.68"), (0.0021, "$0.0021"), (-0.06543, "-$0.0654")]
    + [(1e-12, "$0.00"), (float("nan"), "–"), ("x", "–"), (0.099999, "$0.1")],
)
def test_money(value: object, text: str) -> None:
    assert dollars(value) == text


def test_times() -> None:
    assert [milliseconds(v) for v in (None, 0, 3.21, 88.4, 1216, 12_345)] == [
        "–",
        "0 ms",
        "3.2 ms",
        "88 ms",
        "1,216 ms",
        "12.3 s",
    ]


def luminance(colour: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    full = colour if len(colour) == 7 else "#" + "".join(2 * c for c in colour[1:])
    channels = [int(full[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read(scheme: str) -> None:
    blocks = re.findall(r":root \{(.*?)\}", pages.STYLE, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w+)", blocks[0 if scheme == "light" else 1]))
    for name in ("text", "dim", "error", "warning", "good", "advice", "accent"):
        for ground in ("back", "soft"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for name in ("error", "warning", "good"):
        assert contrast(colours[name], colours[f"{name}-soft"]) >= 4.5, name
        assert contrast(colours["text"], colours[f"{name}-soft"]) >= 4.5, name
    assert contrast(colours["faint"], colours["back"]) >= 3
