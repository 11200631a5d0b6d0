"""OpenAI's asynchronous client: many questions at once, and a stream."""

import asyncio

from openai import AsyncOpenAI

MODEL = "smollm2-135m-instruct"


async def ask(client: AsyncOpenAI, question: str) -> str:
    answer = await client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": question}], max_tokens=16
    )
    return answer.choices[0].message.content


async def main() -> None:
    async with AsyncOpenAI() as client:  # OPENAI_BASE_URL and OPENAI_API_KEY say where
        questions = [f"What is {number} plus {number}?" for number in range(1, 5)]
        answers = await asyncio.gather(*(ask(client, question) for question in questions))
        for question, answer in zip(questions, answers, strict=True):
            print(question, "->", answer)

        stream = await client.responses.create(model=MODEL, input="Say hello.", max_output_tokens=16, stream=True)
        async for event in stream:
            if event.type == "response.output_text.delta":
                print(event.delta, end="|")
        print()


asyncio.run(main())
