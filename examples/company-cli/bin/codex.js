#!/usr/bin/env node
// The command line. Nothing that a person wrote is ever in it: questions and the texts that a tool works
// on come on standard input, a tool's arguments behind `--`.

import { readFileSync } from "node:fs";
import { chat } from "../lib/chat.js";
import { tools, runTool } from "../lib/tools.js";

const HELP = `A company's own CLI

Usage: codex chat [--stream] [--json]              Answer the question on standard input
       codex tool <skill> [--json] -- [arguments]  Run a skill on standard input
       codex --version
       codex --help

Skills: ${Object.keys(tools).join(", ")}
`;

const CHAT_HELP = `Answer the question on standard input.

Usage: codex chat [OPTIONS]

Options:
  --stream  Print the answer bit by bit, as it comes
  --json    Print one JSON object a line: {"delta"}, {"answer"}, {"usage"}, {"error"}
`;

const USAGE_ERROR = 2;

async function main([command, ...rest]) {
  const split = rest.indexOf("--");
  const options = split < 0 ? rest : rest.slice(0, split);
  const values = split < 0 ? [] : rest.slice(split + 1);
  switch (command) {
    case "--version": {
      const { name, version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url)));
      process.stdout.write(`${name} ${version}\n`);
      return 0;
    }
    case "chat":
      if (options.includes("--help")) {
        process.stdout.write(CHAT_HELP);
        return 0;
      }
      return chat({ stream: options.includes("--stream"), json: options.includes("--json") });
    case "tool":
      return runTool(options[0], values, { json: options.includes("--json") });
    case "--help":
      process.stdout.write(HELP);
      return 0;
    default:
      process.stderr.write(HELP);
      return USAGE_ERROR;
  }
}

process.exitCode = await main(process.argv.slice(2));
