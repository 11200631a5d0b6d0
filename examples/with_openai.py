"""OpenAI's own client: a chat, a stream, an answer in a schema, a tool call, vectors."""

import json
from typing import Literal

from openai import OpenAI
from pydantic import BaseModel

MODEL = "smollm2-135m-instruct"
client = OpenAI()  # OPENAI_BASE_URL and OPENAI_API_KEY say where

answer = client.chat.completions.create(
    model=MODEL,
    messages=[{"role": "user", "content": "Say hello."}],
    temperature=0,
    max_tokens=16,
)
print("said:", answer.choices[0].message.content)

stream = client.chat.completions.create(
    model=MODEL,
    messages=[{"role": "user", "content": "Say hello."}],
    temperature=0,
    max_tokens=16,
    stream=True,
    stream_options={"include_usage": True},
)
pieces = list(stream)
text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
print(
    "streamed the same:", text == answer.choices[0].message.content, "in", pieces[-1].usage.completion_tokens, "tokens"
)


class Ticket(BaseModel):
    queue: Literal["shipping", "billing"]
    urgent: bool


parsed = client.chat.completions.parse(
    model=MODEL,
    messages=[{"role": "user", "content": "My parcel is late!"}],
    response_format=Ticket,
)
print("parsed:", parsed.choices[0].message.parsed)

weather = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "How warm it is in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}},
            "required": ["city"],
        },
    },
}
called = client.chat.completions.create(
    model=MODEL,
    messages=[{"role": "user", "content": "How warm is it in Oslo?"}],
    tools=[weather],
    tool_choice="required",
)
call = called.choices[0].message.tool_calls[0].function
print("called:", call.name, json.loads(call.arguments))

vectors = client.embeddings.create(model=MODEL, input=["a late parcel", "a wrong bill"])
print("vectors:", len(vectors.data), "of", len(vectors.data[0].embedding))
