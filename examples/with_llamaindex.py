"""LlamaIndex: complete, chat, stream."""

import os

from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

llm = OpenAILike(
    model="smollm2-135m-instruct",
    api_base=os.environ["OPENAI_BASE_URL"],
    api_key=os.environ["OPENAI_API_KEY"],
    is_chat_model=True,
    temperature=0,
    max_tokens=16,
)

print("completed:", llm.complete("Say hello."))
answer = llm.chat([ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="Say hello.")])
print("said:", answer.message.content)
pieces = [piece.delta for piece in llm.stream_complete("Say hello.")]
print("streamed:", "|".join(pieces))
