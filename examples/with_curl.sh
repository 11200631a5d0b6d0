#!/usr/bin/env bash
# curl: a chat, the same as a stream, and an answer that keeps to a schema.
set -euo pipefail

ask() {
  curl --silent --fail-with-body "$OPENAI_BASE_URL/chat/completions" \
    --header "Authorization: Bearer $OPENAI_API_KEY" --header "Content-Type: application/json" --data "$1"
}

ask '{
  "model": "smollm2-135m-instruct",
  "messages": [{"role": "user", "content": "Say hello."}],
  "max_tokens": 16
}'
echo

ask '{
  "model": "smollm2-135m-instruct",
  "messages": [{"role": "user", "content": "Say hello."}],
  "max_tokens": 3,
  "stream": true
}'

ask '{
  "model": "smollm2-135m-instruct",
  "messages": [{"role": "user", "content": "My parcel is late!"}],
  "response_format": {"type": "json_schema", "json_schema": {"name": "ticket", "strict": true, "schema": {
    "type": "object",
    "properties": {"urgent": {"type": "boolean"}},
    "required": ["urgent"],
    "additionalProperties": false
  }}}
}'
echo
