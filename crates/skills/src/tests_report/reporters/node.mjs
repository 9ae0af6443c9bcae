// A reporter of Node's own test runner.
import { createRequire } from "node:module";

const { test, end, line } = createRequire(import.meta.url)("./record.cjs");

globalThis[Symbol.for("portcullis")] = { mark: process.env.PORTCULLIS_NODE_REPORT };
delete process.env.PORTCULLIS_NODE_REPORT;

// What the filter left out.
const isLeftOut = ({ skip }) => typeof skip === "string" && skip.startsWith("test name does not match");
const isSuite = ({ details }) => details?.type === "suite";

const messageOf = ({ details }) => details?.error?.cause?.message ?? details?.error?.message;

// A suite fails by its tests, or by itself.
const failsByItsTests = ({ details }) => details?.error?.failureType === "subtestsFailed";

export default async function* report(events) {
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (isLeftOut(data)) continue;
    const isSkipped = [data.skip, data.todo].some((reason) => reason !== undefined && reason !== false);
    const isFailed = type === "test:fail" && !(isSuite(data) && failsByItsTests(data));
    if (isSkipped) {
      if (!isSuite(data)) yield line(test(data.name, "skipped"));
    } else if (isFailed) yield line(test(data.name, "failed", messageOf(data)));
    else if (!isSuite(data)) yield line(test(data.name, "passed"));
  }
  yield line(end(true));
}
