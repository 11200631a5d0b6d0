"""LangChain: invoke, stream, structured output, a tool call, embeddings."""

from typing import Literal

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

MODEL = "smollm2-135m-instruct"
model = ChatOpenAI(model=MODEL, temperature=0, max_tokens=32)  # OPENAI_BASE_URL and OPENAI_API_KEY say where

answer = model.invoke("Say hello.")
print("said:", answer.text)
print("tokens:", answer.usage_metadata["total_tokens"])
print("streamed the same:", "".join(piece.text for piece in model.stream("Say hello.")) == answer.text)


class Ticket(BaseModel):
    """Where a ticket goes."""

    queue: Literal["shipping", "billing"]
    urgent: bool


print("parsed:", model.with_structured_output(Ticket).invoke("My parcel is late!"))


@tool
def weather(city: Literal["Oslo", "Rome"]) -> str:
    """How warm it is in a city."""
    return f"12 degrees in {city}"


message = model.bind_tools([weather], tool_choice="required").invoke("How warm is it in Oslo?")
print("called:", weather.invoke(message.tool_calls[0]).content)

# Without check_embedding_ctx_length=False, LangChain sends the token ids of OpenAI's models, which mean nothing here.
embeddings = OpenAIEmbeddings(model=MODEL, check_embedding_ctx_length=False)
vectors = embeddings.embed_documents(["a late parcel", "a wrong bill"])
print("vectors:", len(vectors), "of", len(vectors[0]))
