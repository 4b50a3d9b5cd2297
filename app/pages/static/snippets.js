// Lines to paste that call one model in one region. An id is text from AWS: each line quotes it for its language.

import { modalityLabel } from "./filter_bar.js";
import { t } from "./texts.js";

export const TOOLS = ["curl", "anthropic", "openai", "claude"];
const PROMPT = "Hello";

/** A word of a POSIX shell, quoted where it needs it. */
export function shellQuote(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

// A JSON string is a Python string literal, too; lone surrogates and line separators are escaped for both.
const pythonString = (text) => JSON.stringify(text).replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);

function runtimeHost(region) {
  return region.startsWith("cn-") ? `bedrock-runtime.${region}.amazonaws.com.cn` : `bedrock-runtime.${region}.amazonaws.com`;
}

/** The lines for a tool: `{text, note}`; `text` is null where the tool cannot call the model. */
export function linesFor(tool, { row, region, id }) {
  const outputs = row.modalities.filter((modality) => modality.startsWith("out:"));
  if (outputs.length && !outputs.includes("out:TEXT")) return { text: null, note: t("model.not_text", { words: outputs.map(modalityLabel).join(", ") }) };
  const isAnthropic = row.provider === "Anthropic";
  if ((tool === "anthropic" || tool === "claude") && !isAnthropic) return { text: null, note: t("model.anthropic_only", { maker: row.provider ?? t("model.unknown") }) };
  if (tool === "openai" && isAnthropic) return { text: null, note: t("model.openai_not") };
  return LINES[tool]({ region, id });
}

const LINES = {
  curl: ({ region, id }) => ({
    text: [
      `curl ${shellQuote(`https://${runtimeHost(region)}/model/${encodeURIComponent(id)}/converse`)} \\`,
      `  -H "Authorization: Bearer $AWS_BEARER_TOKEN_BEDROCK" \\`,
      `  -H "Content-Type: application/json" \\`,
      `  -d '{"messages": [{"role": "user", "content": [{"text": "${PROMPT}"}]}]}'`,
    ].join("\n"),
    note: null,
  }),
  anthropic: ({ region, id }) => ({
    text: [
      `# pip install "anthropic[bedrock]"`,
      `from anthropic import AnthropicBedrock`,
      ``,
      `client = AnthropicBedrock(aws_region=${pythonString(region)})`,
      `message = client.messages.create(`,
      `    model=${pythonString(id)},`,
      `    max_tokens=1024,`,
      `    messages=[{"role": "user", "content": "${PROMPT}"}],`,
      `)`,
      `print(message.content)`,
    ].join("\n"),
    note: null,
  }),
  openai: ({ region, id }) => ({
    text: [
      `# pip install openai`,
      `import os`,
      ``,
      `from openai import OpenAI`,
      ``,
      `client = OpenAI(`,
      `    base_url=${pythonString(`https://${runtimeHost(region)}/openai/v1`)},`,
      `    api_key=os.environ["AWS_BEARER_TOKEN_BEDROCK"],`,
      `)`,
      `completion = client.chat.completions.create(`,
      `    model=${pythonString(id)},`,
      `    messages=[{"role": "user", "content": "${PROMPT}"}],`,
      `)`,
      `print(completion.choices[0].message.content)`,
    ].join("\n"),
    note: t("model.openai_note"),
  }),
  claude: ({ region, id }) => ({
    text: [
      `export CLAUDE_CODE_USE_BEDROCK=1`,
      `export AWS_REGION=${shellQuote(region)}`,
      `export ANTHROPIC_MODEL=${shellQuote(id)}`,
      `claude`,
    ].join("\n"),
    note: null,
  }),
};
