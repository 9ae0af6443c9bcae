// Writes records to the gateway: a line of JSON behind a mark that no test knows.
"use strict";

const fs = require("node:fs");

const MAX_MESSAGE_CHARS = 1000;
const colours = /\u001b\[[0-9;]*m/g;

const cut = (text) => String(text ?? "").replace(colours, "").slice(0, MAX_MESSAGE_CHARS);

function line(record) {
  const { mark } = globalThis[Symbol.for("portcullis")] ?? {};
  return mark ? `${mark}${JSON.stringify(record)}\n` : "";
}

function write(record) {
  let rest = Buffer.from(line(record));
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(1, rest));
    } catch (error) {
      // A pipe that is full for the moment.
      if (error.code !== "EAGAIN") return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

const begin = (runner) => ({ event: "begin", runner });
const test = (name, outcome, message) => ({ event: "test", name: cut(name), outcome, message: cut(message) });
const end = (complete) => ({ event: "end", complete });

module.exports = { begin, test, end, line, write };
