// What both official JavaScript SDKs do at one base URL: node clients.mjs ANTHROPIC_URL OPENAI_URL KEY MODEL, from the folder
// that holds node_modules. Prints one line of JSON.
import { createRequire } from 'node:module';

const require = createRequire(`${process.cwd()}/`);
const Anthropic = require('@anthropic-ai/sdk').default;
const OpenAI = require('openai').default;
const [anthropicUrl, openaiUrl, key, model] = process.argv.slice(2);
const claude = (apiKey) => new Anthropic({ baseURL: anthropicUrl, apiKey, maxRetries: 0 });
const gpt = (apiKey) => new OpenAI({ baseURL: openaiUrl, apiKey, maxRetries: 0 });
const messages = [{ role: 'user', content: 'Hello' }];
const refusal = (promise) => promise.then(() => 'accepted', (error) => error.status);

const listed = [];
for await (const it of claude(key).models.list({ limit: 7 })) listed.push(it.id);
let streamed = '';
for await (const chunk of await gpt(key).chat.completions.create({ model, messages, stream: true })) {
  streamed += chunk.choices[0]?.delta?.content ?? '';
}
console.log(JSON.stringify({
  anthropic: [listed.length, await claude(key).messages.stream({ model, messages, max_tokens: 9 }).finalText()],
  openai: [(await gpt(key).models.list()).data.length, streamed],
  refused: [await refusal(claude('wrong').models.list()), await refusal(gpt('wrong').models.list())],
}));
