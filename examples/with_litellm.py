"""LiteLLM: a chat, a stream, and its own errors from ours."""

import litellm

MODEL = "openai/smollm2-135m-instruct"  # OPENAI_BASE_URL and OPENAI_API_KEY say where
question = [{"role": "user", "content": "Say hello."}]

answer = litellm.completion(model=MODEL, messages=question, temperature=0, max_tokens=16)
print("said:", answer.choices[0].message.content)
pieces = litellm.completion(model=MODEL, messages=question, temperature=0, max_tokens=16, stream=True)
text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
print("streamed the same:", text == answer.choices[0].message.content)

try:
    litellm.completion(model=MODEL, messages=[{"role": "user", "content": "long " * 20_000}])
except litellm.ContextWindowExceededError as error:
    print("too long:", error.status_code)
try:
    litellm.completion(model="openai/no-such-model", messages=question)
except litellm.NotFoundError as error:
    print("not found:", error.status_code)
