// The Python that does what the page does: complete programs, to be copied and run.

const UNSEEN = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g; // they show code in another order than it has

/** Return a Python string: JSON's escapes mean the same there. */
const quoted = (text) =>
  JSON.stringify(text).replace(UNSEEN, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);

const list = (texts) => `[${texts.map(quoted).join(", ")}]`;

const named = (values) =>
  Object.entries(values).map(([name, value]) => `${name}=${typeof value === "number" ? value : quoted(value)}`);

const model = (name, settings = {}) => `HuggingFaceChat(${[quoted(name), ...named(settings)].join(", ")})`;

const pairs = (messages) =>
  `[\n${messages.map(({ role, content }) => `    (${quoted(role)}, ${quoted(content)}),\n`).join("")}]`;

export function chatProgram(name, settings, messages) {
  return `from llmkit import HuggingFaceChat

llm = ${model(name, settings)}
messages = ${pairs(messages)}
for chunk in llm.stream(messages):
    print(chunk.text, end="", flush=True)
print()
`;
}

/** `sides` are {name, settings, messages} of A and of B. */
export function compareProgram(sides) {
  const variants = sides.map((side) => `    (${model(side.name, side.settings)}, ${pairs(side.messages).replaceAll("\n", "\n    ")}),\n`);
  return `from llmkit import HuggingFaceChat

variants = [
${variants.join("")}]
for name, (llm, messages) in zip("AB", variants):
    print(f"{name}: {llm.invoke(messages).text}")
`;
}

/** `prompt` has the texts of the prompt, `examples` {input, output}; without a `window` the model's own counts. */
export function promptProgram(name, { instruction, input_label, output_label, examples, text, reserved, window }) {
  const labels = named(Object.fromEntries(Object.entries({ input_label, output_label }).filter(([, value]) => value)));
  const shown = examples.map((one) => `        {"input": ${quoted(one.input)}, "output": ${quoted(one.output)}},\n`);
  const limits = [`max_new_tokens=${reserved}`, ...(window ? [`context_window=${window}`] : [])];
  return `from llmkit import HuggingFaceChat
from llmkit.prompts import TaskPrompt

prompt = TaskPrompt(
    ${[quoted(instruction), ...labels].join(",\n    ")},
    examples=[
${shown.join("")}    ],
)
llm = ${model(name, { temperature: 0 })}
fitted = prompt.fit(${quoted(text)}, model=llm, ${limits.join(", ")})
print(fitted.report)
print(llm.invoke(fitted.messages, max_new_tokens=${reserved}, stop=list(fitted.stop)).text)
`;
}

export function classifyProgram(name, labels, text) {
  return `from llmkit import HuggingFaceChat
from llmkit.chains import ZeroShotClassificationChain

llm = ${model(name)}
for calibration in (False, True):
    chain = ZeroShotClassificationChain(llm, labels=${list(labels)}, contextual_calibration=calibration)
    print(chain.invoke(${quoted(text)}).scores)
`;
}

/** With an \`address\` the program reads the page itself. */
export function readProgram(name, { address, text, questions, names }) {
  const imports = [questions.length ? "QAChain" : "", names.length ? "NERChain" : ""].filter(Boolean);
  const parts = [`from llmkit import HuggingFaceChat`];
  if (imports.length) parts.push(`from llmkit.chains import ${imports.join(", ")}`);
  if (address) parts.push("from llmkit.web import fetch");
  parts.push("", `llm = ${model(name)}`, `text = ${address ? `fetch(${quoted(address)}).page_content` : quoted(text)}`);
  if (questions.length) {
    parts.push(
      "qa = QAChain(llm)",
      `for question in ${list(questions)}:`,
      `    answer = qa.invoke({"question": question, "context": text})`,
      `    print(question, answer.text or "not found", *(repr(citation.quote) for citation in answer.citations), sep="\\n  ")`,
    );
  }
  if (names.length) {
    parts.push(
      `for entity in NERChain(llm, labels=${list(names)}).invoke(text):`,
      `    print(entity.label, entity.text, entity.start, entity.end)`,
    );
  }
  return `${parts.join("\n")}\n`;
}

export function summarizeProgram(name, text, words) {
  return `from llmkit import HuggingFaceChat
from llmkit.chains import SummarizationChain

chain = SummarizationChain(${model(name, { temperature: 0 })}${words ? `, max_words=${words}` : ""})
summary = chain.invoke(${quoted(text)})
print(summary.text)
for sentence in summary.sentences:
    print(f"{sentence.support:.0%}", sentence.text)
`;
}
