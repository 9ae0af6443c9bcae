// A reporter of Vitest, from its first version on.
import { createRequire } from "node:module";

const { test, end, write } = createRequire(import.meta.url)("./record.cjs");

const outcomes = { pass: "passed", fail: "failed" };

const nameOf = (task) => (task.suite?.name ? `${nameOf(task.suite)} > ${task.name}` : task.name);

function tell(task) {
  const message = task.result?.errors?.[0]?.message;
  if (task.type === "suite") {
    task.tasks.forEach(tell);
    // By itself: it did not load, or a hook of it failed.
    if (task.result?.state === "fail" && message) write(test(task.name, "failed", message));
    return;
  }
  // What the filter left out.
  const isFiltered = Boolean(process.env.PORTCULLIS_TEST_FILTER);
  if (task.mode === "skip" && isFiltered) return;
  const isOver = ["pass", "fail"].includes(task.result?.state);
  write(test(nameOf(task), isOver ? outcomes[task.result.state] : "skipped", message));
}

export default class {
  listed = new Set();

  tellFile(file) {
    if (!file || this.listed.has(file.id)) return;
    this.listed.add(file.id);
    tell(file);
  }

  // Since Vitest 3.
  onTestModuleEnd(module) {
    this.tellFile(module.task);
  }

  onTestRunEnd(modules, errors, reason) {
    for (const module of modules) this.tellFile(module.task);
    this.finish(errors, reason !== "interrupted");
  }

  // Before.
  onFinished(files, errors) {
    for (const file of files ?? []) this.tellFile(file);
    this.finish(errors, true);
  }

  finish(errors, complete) {
    if (this.isFinished) return;
    this.isFinished = true;
    for (const error of errors ?? []) write(test("(unhandled error)", "failed", error?.message));
    write(end(complete));
  }
}
