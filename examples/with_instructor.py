"""Instructor: a pydantic model out of every answer, by tools or by a schema."""

from typing import Literal

import instructor
from openai import OpenAI
from pydantic import BaseModel


class Ticket(BaseModel):
    """Where a ticket goes."""

    queue: Literal["shipping", "billing"]
    urgent: bool


for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
    client = instructor.from_openai(OpenAI(), mode=mode)  # OPENAI_BASE_URL and OPENAI_API_KEY say where
    ticket = client.chat.completions.create(
        model="smollm2-135m-instruct",
        messages=[{"role": "user", "content": "My parcel is late!"}],
        response_model=Ticket,
        max_retries=0,
    )
    print(mode.name, repr(ticket))
