// A reporter of Jest.
"use strict";

const { test, end, write } = require("./record.cjs");

const outcomes = { passed: "passed", failed: "failed" };

module.exports = class {
  onTestResult(file, result) {
    // What the filter left out is pending in a file of which it left something.
    const isFiltered = Boolean(process.env.PORTCULLIS_TEST_FILTER);
    for (const one of result.testResults) {
      if (one.status === "disabled" || (one.status === "pending" && isFiltered)) continue;
      write(test(one.fullName, outcomes[one.status] ?? "skipped", one.failureMessages?.[0]));
    }
    if (result.testExecError || (result.failureMessage && result.testResults.length === 0)) {
      write(test(file.path, "failed", result.testExecError?.message ?? result.failureMessage));
    }
  }

  onRunComplete(_, results) {
    write(end(!results.wasInterrupted));
  }
};
