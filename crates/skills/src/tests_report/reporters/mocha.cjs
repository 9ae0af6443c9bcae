// A reporter of Mocha: what its default one shows, and records.
"use strict";

const { test, end, write } = require("./record.cjs");

// Mocha's own, which lies beside the program that runs.
const { Spec } = require(require.resolve("mocha", { paths: [process.argv[1], process.cwd()] })).reporters;

module.exports = class extends Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.on("pass", (one) => write(test(one.fullTitle(), "passed")));
    runner.on("pending", (one) => write(test(one.fullTitle(), "skipped")));
    runner.on("fail", (one, error) => write(test(one.fullTitle(), "failed", error?.message)));
    runner.once("end", () => write(end(true)));
  }
};
