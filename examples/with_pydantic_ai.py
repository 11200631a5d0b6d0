"""Pydantic AI: an agent, its stream, structured output by a schema and by a tool."""

import asyncio
from typing import Literal

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel

model = OpenAIChatModel("smollm2-135m-instruct")  # OPENAI_BASE_URL and OPENAI_API_KEY say where


class Ticket(BaseModel):
    """Where a ticket goes."""

    queue: Literal["shipping", "billing"]
    urgent: bool


async def main() -> None:
    agent = Agent(model, instructions="Be brief.", model_settings={"temperature": 0, "max_tokens": 16})
    answer = await agent.run("Say hello.")
    print("said:", answer.output)
    print("tokens:", answer.usage.output_tokens)
    async with agent.run_stream("Say hello.") as stream:
        text = [piece async for piece in stream.stream_text(delta=True)]
    print("streamed the same:", "".join(text) == answer.output)
    for output in (NativeOutput(Ticket), ToolOutput(Ticket)):
        ticket = await Agent(model, output_type=output).run("My parcel is late!")
        print(type(output).__name__, repr(ticket.output))


asyncio.run(main())
