import subprocess
import sys
from datetime import UTC, datetime

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.errors import InvalidInput
from tuneloop.pricing import Prices, compare, machine_price, parse_price
from tuneloop.settings import Upstream
from tuneloop.types import Price

OWN = Price(input=1.0, output=2.0)
THEIRS = Price(input=3.0, output=4.0)


def upstream(name: str, base_url: str, *models: str, prices: dict[str, Price] | None = None) -> Upstream:
    return Upstream(name=name, base_url=base_url, models=models, prices=prices or {})


def test_own_table_wins_over_upstream_and_upstream_over_list_price() -> None:
    seller = upstream("openai", "https://api.openai.com/v1", "gpt-*", prices={"gpt-4o": THEIRS, "gpt-4": THEIRS})
    prices = Prices({"gpt-4o": OWN}, [seller])
    assert prices.price("gpt-4o", "openai") == OWN
    assert prices.price("gpt-4", "openai") == THEIRS
    listed = prices.price("gpt-4o-mini", "openai")
    assert listed is not None and listed not in (OWN, THEIRS) and 0 < listed.input < listed.output


def test_without_a_provider_the_upstream_that_serves_the_name_is_meant() -> None:
    prices = Prices({}, [upstream("a", "http://a/v1", "x"), upstream("b", "http://b/v1", "m*", prices={"m1": THEIRS})])
    assert prices.price("m1") == THEIRS
    assert prices.price("m2") is None


def test_list_price_is_found_by_the_upstreams_address_or_its_whole_name() -> None:
    by_address = Prices({}, [upstream("main", "https://api.openai.com/v1", "gpt-*")])
    by_name = Prices({}, [upstream("openai", "http://proxy.internal/v1", "gpt-*")])
    neither = Prices({}, [upstream("my-openai-proxy", "http://proxy.internal/v1", "gpt-*")])
    assert by_address.price("gpt-4o-mini", "main") == by_name.price("gpt-4o-mini", "openai") is not None
    assert neither.price("gpt-4o-mini", "my-openai-proxy") is None


@pytest.mark.parametrize("provider", [None, "openai", "fireworks", "together", "local", "no such provider"])
@pytest.mark.parametrize(
    "model",
    ["ft:gpt-4o-mini:local::abc", "ft:smollm2-135m-instruct:local:support:1", "smollm2-135m-instruct"]
    + ["hf:mistralai/Mistral-7B-Instruct-v0.3", "/models/gpt-4o", "support", ""],
)
def test_names_of_local_models_have_no_list_price(model: str, provider: str | None) -> None:
    assert Prices().price(model, provider) is None
    assert Prices().cost(provider, model, 10, 10) is None


def test_own_table_may_price_a_local_model() -> None:
    assert Prices({"ft:a": OWN}).cost(None, "ft:a", 1_000_000, 500_000) == 2.0


def test_cost_equals_the_librarys_for_every_model_it_lists() -> None:
    prices, checked, usage = Prices(), 0, Usage(input_tokens=300_000, output_tokens=1_000)
    for provider in get_snapshot().providers:
        for model in provider.models[::7]:
            cost = prices.cost(provider.id, model.id, 300_000, 1_000)
            if cost is not None and not isinstance(model.prices, list):
                expected = calc_price(
                    usage, model.id, provider_id=provider.id, genai_request_timestamp=datetime.now(UTC)
                )
                assert cost == pytest.approx(float(expected.total_price)), (provider.id, model.id)
                checked += 1
    assert checked > 100


def test_tiers_are_respected_in_cost_and_the_price_is_the_lowest_tiers() -> None:
    prices = Prices()
    price = prices.price("gemini-2.5-pro")
    small, large = prices.cost(None, "gemini-2.5-pro", 1_000, 0), prices.cost(None, "gemini-2.5-pro", 1_000_000, 0)
    assert price is not None and small is not None and large is not None
    assert small == pytest.approx(price.input / 1_000)
    assert large > price.input * 1.5


def test_machine_cost() -> None:
    assert Prices(dollars_per_hour=3.6).machine_cost(2.0) == pytest.approx(0.002)
    assert Prices().machine_cost(2.0) is None


def test_known_comparison_is_exact() -> None:
    small, big = compare(500, 1000, [("small", parse_price("0.012/0.016")), ("big", parse_price("0.03/0.06"))], calls=2)
    assert (small.cost_per_call, small.cost_per_1000, small.cost) == (0.022, 22.0, 0.044)
    assert (big.cost_per_call, big.cost_per_1000) == (0.075, 75.0)
    assert (small.saving_vs_dearest_percent, big.saving_vs_dearest_percent) == (70.67, 0.0)


def test_comparison_of_free_models_and_of_nothing() -> None:
    free = Price(input=0.0, output=0.0)
    assert [line.saving_vs_dearest_percent for line in compare(1, 1, [("a", free), ("b", free)])] == [0.0, 0.0]
    assert compare(1, 1, []) == []


@pytest.mark.parametrize("sizes", [(-1, 0, 1), (0, float("nan"), 1), (0, 0, -1), (float("inf"), 0, 1)])
def test_comparison_refuses_impossible_sizes(sizes: tuple[float, float, int]) -> None:
    with pytest.raises(InvalidInput, match="zero or more"):
        compare(sizes[0], sizes[1], [("a", OWN)], calls=sizes[2])


@given(st.decimals(0, 100, places=6), st.decimals(0, 100, places=6))
def test_price_per_thousand_is_read_exactly(input_side: float, output_side: float) -> None:
    line = compare(1000, 0, [("a", parse_price(f"{input_side} / ${output_side}"))])[0]
    assert line.cost_per_call == float(input_side)


@pytest.mark.parametrize("text", ["", "0.012", "1/2/3", "a/1", "1/", "-1/2", "nan/1", "inf/1", "1e400/1", "1/1e6"])
def test_bad_prices_say_what_is_wrong(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_price(text)
    assert repr(text) in caught.value.message


def test_machine_price_from_throughput() -> None:
    price = machine_price(0.36, 100.0, 1000.0)
    assert price.input == pytest.approx(0.1)
    assert price.output == pytest.approx(1.0)
    assert machine_price(0.36, 100.0).input == pytest.approx(1.0)
    for bad in [(-1.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 0.0), (float("inf"), 1.0, 1.0)]:
        with pytest.raises(InvalidInput):
            machine_price(*bad)


def test_importing_is_light() -> None:
    heavy = "{'genai_prices', 'numpy', 'scipy', 'sacrebleu', 'rapidfuzz', 'torch', 'asyncio'}"
    modules = "tuneloop.pricing, tuneloop.graders, tuneloop.statistics"
    code = f"import sys, {modules}; found = {heavy} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True)
