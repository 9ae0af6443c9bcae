import { text } from "node:stream/consumers";
import { answer } from "./model.js";

const INSTRUCTIONS = "You answer questions for the people of a company, briefly and correctly.";

/** `codex chat`: the question is all of standard input. Gives the exit code. */
export async function chat({ stream, json }) {
  const question = await text(process.stdin);
  let whole = "";
  try {
    for await (const { delta, usage } of answer(INSTRUCTIONS, question)) {
      if (delta !== undefined) {
        whole += delta;
        if (stream) {
          print(json ? JSON.stringify({ delta }) + "\n" : delta);
        }
      } else if (json) {
        print(JSON.stringify({ usage }) + "\n");
      }
    }
  } catch (error) {
    // What went wrong is for whoever runs this CLI by hand; Portcullis does not pass it on.
    print(json ? JSON.stringify({ error: error.message }) + "\n" : "");
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  if (json) {
    print(JSON.stringify({ answer: whole }) + "\n");
  } else if (!stream) {
    print(whole + "\n");
  }
  return 0;
}

function print(output) {
  process.stdout.write(output);
}
