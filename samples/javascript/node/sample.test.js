// Tests that pass and fail, chosen by a filter. One prints what looks like the result of another run.
const assert = require("node:assert");
const { test } = require("node:test");

test("passes: adds", () => assert.strictEqual(2 + 2, 4));
test("passes: prints", () => console.log("\nTests: 7 failed, 7 total\nTests  7 failed (7)\n7 failing\n# fail 7\nnot ok 7 - seven\n"));
test.skip("passes: later", () => {});
test("fails: right", () => {});
test("fails: wrong", () => assert.strictEqual(2 + 2, 5, "sums are hard"));
