"""docs/recipes.md: the programs in examples/, as they are, with what they print. tests/acceptance/test_recipes.py runs
each of them and compares."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

EXAMPLES = Path(__file__).parent.parent / "examples"
LANGUAGES = {".py": "python", ".sh": "sh", ".mjs": "js", ".yaml": "yaml"}

ABOUT = """# Recipes

What speaks OpenAI's API speaks to Tuneloop: the base URL, the key and the name of the model change, nothing else. Most
clients read the first two from the environment:

```sh
export OPENAI_BASE_URL=http://127.0.0.1:8421/v1
export OPENAI_API_KEY="the key `make serve` printed"
```

The programs are in [examples/](../examples). The tests run each of them as it stands, against a real server with a real
model, with the versions in [requirements-recipes.lock](../requirements-recipes.lock) (clients that still want openai 2:
[requirements-recipes-openai2.lock](../requirements-recipes-openai2.lock)) and
[package-lock.json](../examples/package-lock.json); `make recipes` installs these. `...` stands for what differs from
run to run. The answers are those of a model with 135 million parameters, which keeps to a schema but knows little;
[tune it](training.md).
"""


class Recipe(NamedTuple):
    """A program in examples/."""

    title: str
    file: str
    #: what it prints; ... for what differs
    prints: str
    #: what a reader should know besides
    note: str = ""
    #: where it runs: the environment .venv-NAME, or the folder of its node_modules
    place: str = "recipes"
    #: what has to have run before
    after: str = ""
    slow: bool = False

    @property
    def text(self) -> str:
        """The program itself."""
        return (EXAMPLES / self.file).read_text(encoding="utf-8")


RECIPES = [
    Recipe(
        title="curl",
        file="with_curl.sh",
        prints="""\
{"id":"chatcmpl-...","object":"chat.completion",...,"model":"smollm2-135m-instruct",...}
data: {"id":"chatcmpl-...","object":"chat.completion.chunk",...,"delta":{"role":"assistant",...
...
data: [DONE]
...
{"id":"chatcmpl-...",..."content":"{\\"urgent\\"...}"...}
""",
    ),
    Recipe(
        title="OpenAI",
        file="with_openai.py",
        prints="""\
said: Hello! ...
streamed the same: True in 16 tokens
parsed: queue='...' urgent=...
called: weather {'city': '...'}
vectors: 2 of 576
""",
        note="openai 2 and 3 both.",
    ),
    Recipe(
        title="OpenAI, asynchronous",
        file="with_openai_async.py",
        prints="""\
What is 1 plus 1? -> ...
What is 2 plus 2? -> ...
What is 3 plus 3? -> ...
What is 4 plus 4? -> ...
...|...|...
""",
    ),
    Recipe(
        title="Fine-tuning, as in OpenAI's cookbook",
        file="fine_tuning_cookbook.py",
        prints="""\
tickets.jsonl 2920 bytes processed
ftjob-... validating_files
succeeded None ft:smollm2-135m-instruct:local:tickets:...
12 epochs in batches of 4, 5820 tokens
Created fine-tuning job: ftjob-...
Validating training file: file-...
Files validated, moving job to queued state
Fine-tuning job started
...
Checkpoint created at step 4
...
Checkpoint created at step 48
...
New fine-tuned model created: ft:smollm2-135m-instruct:local:tickets:...
The job has successfully completed
48 0.0... ft:smollm2-135m-instruct:local:tickets:...:ckpt-step-48
44 0.0... ft:smollm2-135m-instruct:local:tickets:...:ckpt-step-44
40 0.0... ft:smollm2-135m-instruct:local:tickets:...:ckpt-step-40
steps: 48 columns: step, train_loss, train_accuracy, valid_loss, valid_mean_token_accuracy
learnt: True
16 of 16 right
""",
        note="The result file is plain CSV. Scripts that decode it from base64 first should not.",
    ),
    Recipe(
        title="Weights & Biases",
        file="with_wandb.py",
        prints="...wandb sync completed successfully\n",
        after="fine_tuning_cookbook.py",
    ),
    Recipe(
        title="DSPy",
        file="with_dspy.py",
        slow=True,
        prints="""\
...[OpenAI Provider] Job started with the OpenAI Job ID ftjob-...
...
[OpenAI Provider] Model retrieved: ft:smollm2-135m-instruct:local::...
tuned: ft:smollm2-135m-instruct:local::...
...learnt: True
""",
        note="`LITELLM_LOCAL_MODEL_COST_MAP=True` keeps LiteLLM, which DSPy uses, from asking GitHub for prices.",
    ),
    Recipe(
        title="LangChain",
        file="with_langchain.py",
        prints="""\
said: Hello! ...
tokens: ...
streamed the same: True
parsed: queue='...' urgent=...
called: 12 degrees in ...
vectors: 2 of 576
""",
    ),
    Recipe(
        title="LlamaIndex",
        file="with_llamaindex.py",
        place="recipes-openai2",
        prints="""\
completed: Hello! ...
said: Hello! ...
streamed: |Hello|!|...
""",
    ),
    Recipe(
        title="Instructor",
        file="with_instructor.py",
        place="recipes-openai2",
        prints="""\
TOOLS Ticket(queue='...', urgent=...)
JSON_SCHEMA Ticket(queue='...', urgent=...)
""",
    ),
    Recipe(
        title="Pydantic AI",
        file="with_pydantic_ai.py",
        prints="""\
said: Hello! ...
tokens: ...
streamed the same: True
NativeOutput Ticket(queue='...', urgent=...)
ToolOutput Ticket(queue='...', urgent=...)
""",
    ),
    Recipe(
        title="LiteLLM",
        file="with_litellm.py",
        prints="""\
said: Hello! ...
streamed the same: True
...
too long: 400
...
not found: 404
""",
    ),
    Recipe(
        title="Vercel AI SDK",
        file="with_vercel_ai.mjs",
        place="examples",
        prints="""\
said: Hello! ...
streamed the same: true
parsed: { queue: '...', urgent: ... }
called: 12 degrees in ...
through /v1/responses: ...
""",
        note="`npm install ai @ai-sdk/openai zod`.",
    ),
    Recipe(
        title="Inspect",
        file="with_inspect.py",
        prints="""\
success 3 samples
accuracy: ...
stderr: ...
""",
    ),
    Recipe(
        title="promptfoo",
        file="promptfoo/promptfooconfig.yaml",
        place="examples/promptfoo",
        prints="""\
...
...2 passed...0 failed...
...
""",
        slow=True,
    ),
]


def page() -> str:
    """The whole page."""
    return "\n".join([ABOUT, *map(_section, RECIPES)])


def _section(recipe: Recipe) -> str:
    language = LANGUAGES[Path(recipe.file).suffix]
    program = f"[{recipe.file}](../examples/{recipe.file}):\n\n```{language}\n{recipe.text}```\n"
    note = f"\n{recipe.note}\n" if recipe.note else ""
    return f"## {recipe.title}\n\n{program}\nprints\n\n```text\n{recipe.prints}```\n{note}"
