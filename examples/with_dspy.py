"""DSPy: BootstrapFinetune tunes the small model on a teacher's answers, through DSPy's own OpenAI provider."""

import json
from pathlib import Path

import dspy
from dspy.utils import DummyLM

rows = [json.loads(line)["messages"] for line in Path(__file__).with_name("tickets.jsonl").read_text().splitlines()]
tickets = [dspy.Example(ticket=user["content"], queue=answer["content"]) for _, user, answer in rows]
tickets = [ticket.with_inputs("ticket") for ticket in tickets]

student = dspy.Predict("ticket -> queue")
# LiteLLM cannot tell from the name of a tuned model alone who serves it: custom_llm_provider stays with the copy.
small = dspy.LM("openai/smollm2-135m-instruct", custom_llm_provider="openai", temperature=0, max_tokens=64)
student.set_lm(small)

# The teacher is whatever answers well, dspy.LM("openai/gpt-4o") behind the same gateway. Here the answers are known.
teacher = dspy.Predict("ticket -> queue")
teacher.set_lm(DummyLM({ticket.ticket: {"queue": ticket.queue} for ticket in tickets}))


def right(ticket: dspy.Example, said: dspy.Prediction, trace: object = None) -> bool:
    return said.queue == ticket.queue


optimizer = dspy.BootstrapFinetune(metric=right, train_kwargs={"n_epochs": 12, "learning_rate_multiplier": 2})
tuned = optimizer.compile(student, trainset=tickets, teacher=teacher)

print("tuned:", tuned.lm.model)
print("learnt:", dspy.Evaluate(devset=tickets, metric=right)(tuned).score > 75)
