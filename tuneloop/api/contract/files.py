"""Files, and uploads in parts."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from tuneloop.api.contract.words import EMPTY, Deleted, ExpiresAfter, Operation, Page, works

Bytes = Annotated[bytes, WithJsonSchema({"type": "string", "format": "binary"})]
Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]


class CreateFile(TypedDict):
    """A form (multipart/form-data)."""

    file: Annotated[Bytes, works("any UTF-8 name; up to 512 MB; kept byte for byte")]
    purpose: Purpose
    expires_after: NotRequired[
        Annotated[ExpiresAfter, works("as expires_after[anchor] and expires_after[seconds]; batch files: 30 days")]
    ]


class File(TypedDict):
    """Bytes with a name and a purpose."""

    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    filename: str
    purpose: Annotated[str, works("one for evals shows user_data, for OpenAI has no other word")]
    status: Literal["uploaded", "processed", "error"]
    status_details: Annotated[str | None, EMPTY]
    expires_at: int | None


class CreateUpload(TypedDict):
    """A file that will come in parts."""

    bytes: Annotated[int, works("1 to 8 GB")]
    filename: str
    mime_type: str
    purpose: Purpose
    expires_after: NotRequired[ExpiresAfter]


class AddPart(TypedDict):
    """A form (multipart/form-data)."""

    data: Annotated[Bytes, works("up to 64 MB")]


class CompleteUpload(TypedDict):
    """The parts in their order."""

    part_ids: list[str]
    md5: NotRequired[str]


class Upload(TypedDict):
    """A file that comes in parts."""

    id: str
    object: Literal["upload"]
    bytes: int
    created_at: int
    expires_at: Annotated[int, works("an hour after its creation")]
    filename: str
    purpose: str
    status: Literal["pending", "completed", "cancelled", "expired"]
    file: File | None


class UploadPart(TypedDict):
    """A part of an upload."""

    id: str
    object: Literal["upload.part"]
    created_at: int
    upload_id: str


_FORM = ("multipart/form-data",)
_BYTES = ("application/octet-stream",)

OPERATIONS = (
    Operation("Files", "POST", "/v1/files", "Upload a file", CreateFile, File, reads=_FORM),
    Operation("Files", "GET", "/v1/files", "List files", gives=Page[File]),
    Operation("Files", "GET", "/v1/files/{file_id}", "Retrieve a file", gives=File),
    Operation("Files", "DELETE", "/v1/files/{file_id}", "Delete a file", gives=Deleted),
    Operation("Files", "GET", "/v1/files/{file_id}/content", "The bytes of a file", writes=_BYTES),
    Operation("Uploads", "POST", "/v1/uploads", "Begin an upload", CreateUpload, Upload),
    Operation("Uploads", "POST", "/v1/uploads/{upload_id}/parts", "Add a part", AddPart, UploadPart, reads=_FORM),
    Operation("Uploads", "POST", "/v1/uploads/{upload_id}/complete", "Make it a file", CompleteUpload, Upload),
    Operation("Uploads", "POST", "/v1/uploads/{upload_id}/cancel", "Cancel an upload", gives=Upload),
)
