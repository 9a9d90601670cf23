// Runs with node, where AIKEYS_NODE_MODULES names a node_modules that has the SDKs: `sdk_calls.mjs SDK BASE_URL KEY`.
// Every SDK gets a base URL and a key and nothing else. What it understood is printed as one JSON object.
import { createRequire } from "node:module";
import path from "node:path";

const modules = path.resolve(process.env.AIKEYS_NODE_MODULES);
const require = createRequire(path.join(modules, "package.json"));
const ASKED = "Say hello";
const TOOL_ASKED = "What is the weather in Oslo?";
const PARAMETERS = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const user = (text) => [{ role: "user", content: text }];

async function joined(stream, piece) {
  let text = "";
  for await (const each of stream) text += piece(each) ?? "";
  return text;
}

const calls = {
  async openai(baseURL, apiKey) {
    const { OpenAI } = require("openai");
    const client = new OpenAI({ baseURL, apiKey });
    const asked = { model: "gpt-4.1", messages: user(ASKED), max_tokens: 50 };
    const tool = { type: "function", function: { name: "get_weather", parameters: PARAMETERS } };
    const called = await client.chat.completions.create({ ...asked, messages: user(TOOL_ASKED), tools: [tool] });
    const responded = await client.responses.create({ model: "gpt-4.1", input: ASKED, max_output_tokens: 50 });
    const embedded = await client.embeddings.create({ model: "text-embedding-3-small", input: ["a", "b"] });
    return {
      whole: (await client.chat.completions.create(asked)).choices[0].message.content,
      stream: await joined(
        await client.chat.completions.create({ ...asked, stream: true }),
        (chunk) => chunk.choices[0]?.delta?.content,
      ),
      tool: called.choices[0].message.tool_calls.map((call) => call.function.name),
      responses: responded.output_text,
      responses_stream: await joined(
        await client.responses.create({ model: "gpt-4.1", input: ASKED, stream: true, max_output_tokens: 50 }),
        (event) => (event.type === "response.output_text.delta" ? event.delta : ""),
      ),
      embeddings: embedded.data.length,
      models: (await client.models.list()).data.length > 0,
    };
  },
  async anthropic(baseURL, apiKey) {
    const { Anthropic } = require("@anthropic-ai/sdk");
    const client = new Anthropic({ baseURL, apiKey });
    const asked = { model: "claude-sonnet-4-5", max_tokens: 50, messages: user(ASKED) };
    const whole = await client.messages.create(asked);
    const stream = await client.messages.create({ ...asked, stream: true });
    return {
      whole: whole.content[0].text,
      stream: await joined(stream, (event) => event.delta?.text),
      count_tokens: (await client.messages.countTokens({ model: asked.model, messages: asked.messages })).input_tokens > 0,
    };
  },
  async genai(baseUrl, apiKey) {
    const { GoogleGenAI } = require("@google/genai");
    const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl } });
    const asked = { model: "gemini-2.5-flash", contents: ASKED };
    return {
      whole: (await client.models.generateContent(asked)).text,
      stream: await joined(await client.models.generateContentStream(asked), (chunk) => chunk.text),
    };
  },
  async ai_openai(baseURL, apiKey) {
    const { createOpenAI } = require("@ai-sdk/openai");
    return vercel(createOpenAI({ baseURL, apiKey })("gpt-4.1"));
  },
  async ai_anthropic(baseURL, apiKey) {
    const { createAnthropic } = require("@ai-sdk/anthropic");
    return vercel(createAnthropic({ baseURL, apiKey })("claude-sonnet-4-5"));
  },
  async ai_any_provider(baseURL, apiKey) {
    const { createOpenAI } = require("@ai-sdk/openai");
    const { generateText, streamText, tool, jsonSchema } = require("ai");
    const provider = createOpenAI({ baseURL, apiKey });
    const tools = { get_weather: tool({ description: "The weather of a city", inputSchema: jsonSchema(PARAMETERS) }) };
    const found = {};
    for (const name of ["anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash", "cohere/command-a-03-2025"]) {
      const asked = { model: provider.chat(name), maxOutputTokens: 50 };
      const called = await generateText({ ...asked, prompt: TOOL_ASKED, tools });
      const streamed = streamText({ ...asked, prompt: TOOL_ASKED, tools });
      found[name.split("/")[0]] = {
        text: (await generateText({ ...asked, prompt: ASKED })).text,
        stream: await joined(streamText({ ...asked, prompt: ASKED }).textStream, (text) => text),
        tool: called.toolCalls.map((call) => [call.toolName, call.input]),
        tool_stream: (await streamed.toolCalls).map((call) => [call.toolName, call.input]),
        finish: [called.finishReason, await streamed.finishReason],
      };
    }
    return found;
  },
  async refused(url, key) {
    const { OpenAI } = require("openai");
    const { Anthropic } = require("@anthropic-ai/sdk");
    const first = new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
    const second = new Anthropic({ baseURL: url, apiKey: key });
    const told = (failure) => [failure.constructor.name, failure.status, failure.message];
    return {
      openai: await first.chat.completions
        .create({ model: "openai/gpt-4.1", messages: user(ASKED), max_tokens: 50 })
        .then(() => null, told),
      anthropic: await second.messages
        .create({ model: "claude-sonnet-4-5", messages: user(ASKED), max_tokens: 50 })
        .then(() => null, told),
    };
  },
};

async function vercel(model) {
  const { generateText, streamText } = require("ai");
  const whole = await generateText({ model, prompt: ASKED, maxOutputTokens: 50 });
  const stream = streamText({ model, prompt: ASKED, maxOutputTokens: 50 });
  return { whole: whole.text, stream: await joined(stream.textStream, (text) => text), usage: whole.usage.outputTokens };
}

const [name, url, key] = process.argv.slice(2);
console.log(JSON.stringify(await calls[name](url, key)));
