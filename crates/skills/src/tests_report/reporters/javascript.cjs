// Loaded into each process of Node before anything else. In one that runs tests it says so, and adds a
// reporter, and the filter that a caller gave, to the arguments. One that says no more has died. The processes that this one starts have no mark, and so
// report nothing.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const { begin, write } = require("./record.cjs");

const mark = process.env.PORTCULLIS_REPORT;
const filter = process.env.PORTCULLIS_TEST_FILTER;
const beside = (name) => path.join(__dirname, name);

function main() {
  const runner = process.execArgv.includes("--test") ? testWithNode : runnerOf(process.argv[1]);
  if (!runner) return;
  delete process.env.PORTCULLIS_REPORT;
  globalThis[Symbol.for("portcullis")] = { mark };
  runner();
}

function runnerOf(script) {
  let file;
  try {
    file = fs.realpathSync(script).split(path.sep).join("/");
  } catch {
    return undefined;
  }
  const runners = [
    [/\/node_modules\/(jest|jest-cli)\/bin\/jest\.js$/, jest],
    [/\/node_modules\/vitest\/[^/]+\.m?js$/, vitest],
    [/\/node_modules\/mocha\/bin\/_?mocha(\.c?js)?$/, mocha],
  ];
  return runners.find(([pattern]) => pattern.test(file))?.[1];
}

function jest() {
  write(begin("jest"));
  process.argv.push("--reporters=default", `--reporters=${beside("jest.cjs")}`);
  if (filter) process.argv.push(`--testNamePattern=${filter}`);
}

function vitest() {
  write(begin("vitest"));
  process.argv.push("--reporter=default", `--reporter=${beside("vitest.mjs")}`);
  if (filter) process.argv.push(`--testNamePattern=${filter}`);
}

function mocha() {
  write(begin("mocha"));
  process.argv.push("--reporter", beside("mocha.cjs"));
  if (filter) process.argv.push("--grep", filter);
}

// Its reporters are chosen before this runs, so it is started once more, with one more.
function testWithNode() {
  write(begin("node"));
  const { spawnSync } = require("node:child_process");
  const given = { reporter: [], "reporter-destination": [] };
  const others = [];
  for (let index = 0; index < process.execArgv.length; index += 1) {
    const [, name, value] = /^--test-(reporter|reporter-destination)(?:=(.*))?$/s.exec(process.execArgv[index]) ?? [];
    if (!name) others.push(process.execArgv[index]);
    else given[name].push(value ?? process.execArgv[(index += 1)]);
  }
  const reporters = given.reporter.length > 0 ? given.reporter : ["spec"];
  const destinations = given["reporter-destination"];
  if (reporters.length === 1 && destinations.length === 0) destinations.push("stdout");
  // Node says what is wrong with them.
  if (reporters.length !== destinations.length) return;
  reporters.push(beside("node.mjs"));
  destinations.push("stdout");
  const added = reporters.flatMap((reporter, index) => [
    `--test-reporter=${reporter}`,
    `--test-reporter-destination=${destinations[index]}`,
  ]);
  if (filter) added.push(`--test-name-pattern=${filter}`);
  const ended = spawnSync(process.execPath, [...others, ...added, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, PORTCULLIS_NODE_REPORT: mark },
  });
  if (ended.signal) process.kill(process.pid, ended.signal);
  process.exit(ended.status ?? 1);
}

if (mark) main();
