// Tests that pass, fail, die and hang, chosen by a filter.
const assert = require("node:assert");
const { test } = require("node:test");

test("passes: adds", () => assert.strictEqual(2 + 2, 4));
test("passes: joins", () => assert.strictEqual("a" + "b", "ab"));
test("passes: later", { skip: "not yet" }, () => {});
test("fails: right", () => {});
test("fails: wrong", () => assert.strictEqual(2 + 2, 5));
test("crashes", () => process.abort());
test("hangs: first", () => {});
test("hangs: forever", () => new Promise(() => setInterval(() => {}, 1000)));
