"""`python examples/use_cases/make.py`: write the data of the use cases again, byte for byte as it lies here.

Every word of it was written for this purpose: messages one by one in writers/customer_service.py and
writers/guard_rail.py, the parts that rows are composed of in the others.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

from writers import brand_voice, customer_service, film_scripts, guard_rail, json_api, tax_questions

HERE = Path(__file__).parent
#: the writer of each folder, and its rows to learn from and to hold out
CASES = {
    "brand_voice": (brand_voice, 200, 60),
    "customer_service": (customer_service, 276, 60),
    "film_scripts": (film_scripts, 180, 60),
    "guard_rail": (guard_rail, 287, 70),
    "json_api": (json_api, 240, 66),
    "tax_questions": (tax_questions, 160, 60),
}


def main(into: Path) -> None:
    """Write prompts.json, train.jsonl and held_out.jsonl of every use case under `into`."""
    for name, (writer, train, held_out) in CASES.items():
        dice = Random(name)
        rows = distinct(writer, dice, train + held_out)
        # What is held out comes first: where rows go label by label in turn, each label then has its share.
        held, learnt = rows[:held_out], rows[held_out:]
        dice.shuffle(held)
        dice.shuffle(learnt)
        folder = into / name
        folder.mkdir(parents=True, exist_ok=True)
        prompts = {"long": writer.LONG, "short": writer.SHORT}
        (folder / "prompts.json").write_text(json.dumps(prompts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        write(folder / "train.jsonl", writer.LONG, learnt)
        write(folder / "held_out.jsonl", writer.LONG, held)


def distinct(writer, dice: Random, count: int) -> list[tuple[str, str]]:
    """The first `count` pairs of which no two ask with the same words."""
    found: dict[frozenset[str], tuple[str, str]] = {}
    for question, answer in writer.pairs(dice):
        found.setdefault(frozenset(question.lower().replace(",", " ").replace(".", " ").split()), (question, answer))
        if len(found) == count:
            return list(found.values())
    raise ValueError(f"{writer.__name__} has {len(found)} distinct rows only, not {count}")


def write(file: Path, system: str, rows: list[tuple[str, str]]) -> None:
    """Write rows in OpenAI's chat format."""
    with file.open("w", encoding="utf-8", newline="\n") as out:
        for question, answer in rows:
            messages = [
                {"role": "system", "content": system},
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
            out.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
