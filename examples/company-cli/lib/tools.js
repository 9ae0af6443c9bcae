import { text } from "node:stream/consumers";

const USAGE_ERROR = 2;

/** Each takes the arguments behind `--` and standard input, and gives its result. */
export const tools = {
  /** How often the words given occur in the text: `codex tool word-count -- error warning < log`. */
  "word-count": (words, input) => {
    const found = input.toLowerCase().match(/[\p{L}\p{N}_]+/gu) ?? [];
    const counts = words.map((word) => [
      word,
      found.filter((other) => other === word.toLowerCase()).length,
    ]);
    return { total: found.length, counts: Object.fromEntries(counts) };
  },
};

/** `codex tool <skill>`. Gives the exit code. */
export async function runTool(name, values, { json }) {
  const tool = Object.hasOwn(tools, name ?? "") ? tools[name] : undefined;
  if (tool === undefined) {
    process.stderr.write(`There is no such skill; there are: ${Object.keys(tools).join(", ")}\n`);
    return USAGE_ERROR;
  }
  const result = tool(values, await text(process.stdin));
  process.stdout.write((json ? JSON.stringify(result) : plain(result)) + "\n");
  return 0;
}

function plain({ total, counts }) {
  const lines = Object.entries(counts).map(([word, count]) => `${word}: ${count}`);
  return [...lines, `words in all: ${total}`].join("\n");
}
