// The model, through whatever speaks the Responses API at OPENAI_BASE_URL. Under Portcullis that is its
// broker: the key is a throw-away credential of this one turn, and nothing else can be reached.

const { OPENAI_BASE_URL, OPENAI_API_KEY, OPENAI_MODEL } = process.env;

/** Yields `{ delta }` for each bit of the answer and `{ usage }` at its end. */
export async function* answer(instructions, question) {
  const response = await fetch(`${OPENAI_BASE_URL}/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${OPENAI_API_KEY}`, "content-type": "application/json" },
    body: JSON.stringify({
      model: OPENAI_MODEL,
      stream: true,
      instructions,
      input: [{ type: "message", role: "user", content: [{ type: "input_text", text: question }] }],
    }),
  });
  if (!response.ok) {
    throw new Error(`the model answered with status ${response.status}`);
  }
  for await (const event of events(response.body)) {
    if (event.type === "response.output_text.delta") {
      yield { delta: event.delta };
    } else if (event.type === "response.completed") {
      const usage = event.response.usage ?? {};
      yield { usage: { input_tokens: usage.input_tokens, output_tokens: usage.output_tokens } };
      return;
    } else if (event.type === "response.failed" || event.type === "error") {
      throw new Error("the model failed");
    }
  }
  throw new Error("the model's answer broke off");
}

/** The `data:` lines of a stream of server-sent events. */
async function* events(body) {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data:")) {
        yield JSON.parse(line.slice("data:".length));
      }
    }
  }
}
