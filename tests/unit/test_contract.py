"""The contract says what there is: every route of the application, every field of OpenAI's client."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from fastapi.routing import APIRoute

from tuneloop.api import app, routing
from tuneloop.api.contract import OPERATIONS, batches, chat, evals, files, graders, models, responses, texts, tuning
from tuneloop.api.contract.words import JSON
from tuneloop.api.openapi import describe
from tuneloop.gateway.proxy import ENDPOINTS
from tuneloop.loop import Loop
from tuneloop.settings import Settings


@pytest.fixture
def routes(tmp_path: Path) -> Iterator[list[APIRoute]]:
    loop = Loop(settings=Settings(home=tmp_path, database_url=f"sqlite:///{tmp_path / 'tuneloop.db'}"))
    yield [route for route in app.routes(loop) if isinstance(route, APIRoute)]
    loop.store.close()


def test_every_route_and_nothing_else(routes: list[APIRoute]) -> None:
    there = {(method, route.path_format) for route in routes for method in route.methods or ()}
    there |= {("POST", path) for path in ENDPOINTS} | {("GET", "/health")}
    assert there == {(operation.method, operation.path) for operation in OPERATIONS}
    assert len(OPERATIONS) == len(there)


def test_every_route_reads_json_strictly(routes: list[APIRoute]) -> None:
    assert [route.path for route in routes if not isinstance(route, routing.Route)] == []


def test_the_description(routes: list[APIRoute]) -> None:
    document = describe(routes)
    ids = set()
    for operation in OPERATIONS:
        described = document["paths"][operation.path][operation.method.lower()]
        ids.add(described["operationId"])
        assert ("requestBody" in described) == (operation.takes is not None)
        assert set(described["responses"]) > {str(operation.status), "400", "401", "404", "413", "415", "429"}
        names = {parameter["name"] for parameter in described["parameters"] if parameter["in"] == "path"}
        assert names == {part[1:-1] for part in operation.path.split("/") if part.startswith("{")}
        if operation.method == "GET" and operation.gives is not None and "Page" in str(operation.gives):
            query = {parameter["name"] for parameter in described["parameters"] if parameter["in"] == "query"}
            assert query >= {"limit", "after"} or operation.path in UNPAGED
        if JSON in operation.writes:
            assert described["responses"][str(operation.status)]["content"][JSON]["schema"]
    assert len(ids) == len(OPERATIONS)
    assert "422" not in str(document["paths"]) and "HTTPValidationError" not in document["components"]["schemas"]


#: lists that come whole
UNPAGED = {"/v1/deployments", "/v1/models"}

TAKEN = [
    ("file_create_params.FileCreateParams", files.CreateFile),
    ("upload_create_params.UploadCreateParams", files.CreateUpload),
    ("uploads.part_create_params.PartCreateParams", files.AddPart),
    ("upload_complete_params.UploadCompleteParams", files.CompleteUpload),
    ("fine_tuning.job_create_params.JobCreateParams", tuning.CreateJob),
    ("fine_tuning.job_create_params.Method", tuning.Method),
    ("fine_tuning.job_create_params.IntegrationWandb", tuning.Wandb),
    ("fine_tuning.supervised_hyperparameters_param.SupervisedHyperparametersParam", tuning.Hyperparameters),
    ("fine_tuning.dpo_hyperparameters_param.DpoHyperparametersParam", tuning.PreferenceHyperparameters),
    ("fine_tuning.reinforcement_method_param.ReinforcementMethodParam", tuning.Reinforcement),
    (
        "fine_tuning.reinforcement_hyperparameters_param.ReinforcementHyperparametersParam",
        tuning.ReinforcementHyperparameters,
    ),
    ("fine_tuning.checkpoints.permission_create_params.PermissionCreateParams", tuning.CreatePermission),
    ("chat.completion_create_params.CompletionCreateParamsBase", chat.CreateChatCompletion),
    ("chat.completion_create_params.CompletionCreateParamsStreaming", chat.CreateChatCompletion),
    ("chat.completion_update_params.CompletionUpdateParams", chat.UpdateChatCompletion),
    ("chat.chat_completion_stream_options_param.ChatCompletionStreamOptionsParam", chat.StreamOptions),
    ("chat.chat_completion_assistant_message_param.ChatCompletionAssistantMessageParam", chat.Message),
    ("chat.chat_completion_tool_message_param.ChatCompletionToolMessageParam", chat.Message),
    ("shared_params.response_format_json_schema.JSONSchema", chat.JsonSchema),
    ("shared_params.function_definition.FunctionDefinition", chat.Function),
    ("completion_create_params.CompletionCreateParamsStreaming", texts.CreateCompletion),
    ("embedding_create_params.EmbeddingCreateParams", texts.CreateEmbedding),
    ("responses.response_create_params.ResponseCreateParamsStreaming", responses.CreateResponse),
    ("batch_create_params.BatchCreateParams", batches.CreateBatch),
    ("fine_tuning.alpha.grader_run_params.GraderRunParams", graders.RunGrader),
    ("fine_tuning.alpha.grader_validate_params.GraderValidateParams", graders.ValidateGrader),
    ("graders.string_check_grader_param.StringCheckGraderParam", graders.StringCheck),
    ("graders.text_similarity_grader_param.TextSimilarityGraderParam", graders.TextSimilarity),
    ("graders.python_grader_param.PythonGraderParam", graders.Python),
    ("graders.score_model_grader_param.ScoreModelGraderParam", graders.ScoreModel),
    ("graders.label_model_grader_param.LabelModelGraderParam", graders.LabelModel),
    ("graders.multi_grader_param.MultiGraderParam", graders.Multi),
    ("eval_create_params.EvalCreateParams", evals.CreateEval),
    ("eval_create_params.DataSourceConfigCustom", evals.CustomData),
    ("eval_update_params.EvalUpdateParams", evals.UpdateEval),
    ("evals.run_create_params.RunCreateParams", evals.CreateRun),
    ("evals.create_eval_completions_run_data_source_param.CreateEvalCompletionsRunDataSourceParam", evals.DataSource),
]
GIVEN = [
    ("file_object.FileObject", files.File),
    ("upload.Upload", files.Upload),
    ("uploads.upload_part.UploadPart", files.UploadPart),
    ("fine_tuning.fine_tuning_job.FineTuningJob", tuning.Job),
    ("fine_tuning.fine_tuning_job.Error", tuning.JobError),
    ("fine_tuning.fine_tuning_job_event.FineTuningJobEvent", tuning.JobEvent),
    ("fine_tuning.jobs.fine_tuning_job_checkpoint.FineTuningJobCheckpoint", tuning.Checkpoint),
    ("fine_tuning.jobs.fine_tuning_job_checkpoint.Metrics", tuning.Metrics),
    ("fine_tuning.checkpoints.permission_create_response.PermissionCreateResponse", tuning.Permission),
    ("chat.chat_completion.ChatCompletion", chat.ChatCompletion),
    ("chat.chat_completion.Choice", chat.Choice),
    ("chat.chat_completion_message.ChatCompletionMessage", chat.AnswerMessage),
    ("completion.Completion", texts.Completion),
    ("completion_choice.CompletionChoice", texts.CompletionChoice),
    ("completion_usage.CompletionUsage", chat.Usage),
    ("create_embedding_response.CreateEmbeddingResponse", texts.Embeddings),
    ("embedding.Embedding", texts.Embedding),
    ("responses.response.Response", responses.Response),
    ("model.Model", models.Model),
    ("batch.Batch", batches.Batch),
    ("batch_request_counts.BatchRequestCounts", batches.Counts),
    ("batch_error.BatchError", batches.LineError),
    ("fine_tuning.alpha.grader_run_response.GraderRunResponse", graders.GraderRun),
    ("fine_tuning.alpha.grader_validate_response.GraderValidateResponse", graders.ValidGrader),
    ("eval_create_response.EvalCreateResponse", evals.Eval),
    ("evals.run_create_response.RunCreateResponse", evals.Run),
    ("evals.run_create_response.ResultCounts", evals.ResultCounts),
    ("evals.runs.output_item_list_response.OutputItemListResponse", evals.OutputItem),
]


def _of_sdk(name: str) -> Any:
    module, _, kind = name.rpartition(".")
    return getattr(importlib.import_module(f"openai.types.{module}"), kind)


@pytest.mark.parametrize(("name", "ours"), TAKEN, ids=lambda value: value if isinstance(value, str) else "")
def test_every_field_that_openais_client_sends(name: str, ours: Any) -> None:
    theirs = {field for base in _of_sdk(name).__orig_bases__ for field in getattr(base, "__annotations__", ())}
    theirs |= set(get_type_hints(_of_sdk(name)))
    assert theirs and theirs - set(get_type_hints(ours)) == set()


@pytest.mark.parametrize(("name", "ours"), GIVEN, ids=lambda value: value if isinstance(value, str) else "")
def test_every_field_that_openais_client_reads(name: str, ours: Any) -> None:
    theirs = {field.alias or name for name, field in _of_sdk(name).model_fields.items()}
    assert theirs and theirs - set(get_type_hints(ours)) == set()
