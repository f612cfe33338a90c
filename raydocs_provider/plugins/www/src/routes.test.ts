import { expect, it } from "vitest";

import { documentsRoute, taskRoute } from "./routes";

const KEY = { dag_id: "invoices", run_id: "scheduled__2026-11-22T00:00:00+00:00", task_id: "group.extract", map_index: -1 };
const RUN = "/dags/invoices/runs/scheduled__2026-11-22T00%3A00%3A00%2B00%3A00";

it("leads to a task instance", () => {
  expect(taskRoute(KEY)).toBe(`${RUN}/tasks/group.extract`);
});

it("leads to one of a mapped task, its first included", () => {
  expect(taskRoute({ ...KEY, map_index: 0 })).toBe(`${RUN}/tasks/group.extract/mapped/0`);
});

it("leads to the tab, with its documents as they are asked for", () => {
  expect(documentsRoute(KEY, { state: "failed", search: "parsing failed" })).toBe(
    `${RUN}/tasks/group.extract/plugin/raydocs-documents?state=failed&search=parsing+failed`,
  );
});
