// The Vercel AI SDK: generateText, streamText, generateObject, a tool call.
import { createOpenAI } from "@ai-sdk/openai";
import { generateObject, generateText, streamText, tool } from "ai";
import { z } from "zod";

const openai = createOpenAI(); // OPENAI_BASE_URL and OPENAI_API_KEY say where
const model = openai.chat("smollm2-135m-instruct"); // or openai(...), which asks /v1/responses

const answer = await generateText({ model, prompt: "Say hello.", temperature: 0, maxOutputTokens: 16 });
console.log("said:", answer.text);

const stream = streamText({ model, prompt: "Say hello.", temperature: 0, maxOutputTokens: 16 });
let text = "";
for await (const piece of stream.textStream) text += piece;
console.log("streamed the same:", text === answer.text);

const ticket = await generateObject({
  model,
  schema: z.object({ queue: z.enum(["shipping", "billing"]), urgent: z.boolean() }),
  prompt: "My parcel is late!",
});
console.log("parsed:", ticket.object);

const called = await generateText({
  model,
  prompt: "How warm is it in Oslo?",
  temperature: 0,
  tools: {
    weather: tool({
      description: "How warm it is in a city.",
      inputSchema: z.object({ city: z.enum(["Oslo", "Rome"]) }),
      execute: async ({ city }) => `12 degrees in ${city}`,
    }),
  },
  toolChoice: "required",
});
console.log("called:", called.toolResults[0].output);

const response = await generateText({ model: openai("smollm2-135m-instruct"), prompt: "Say hello.", maxOutputTokens: 16 });
console.log("through /v1/responses:", response.text);
