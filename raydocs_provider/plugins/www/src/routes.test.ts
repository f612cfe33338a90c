import { expect, it } from "vitest";

import { dagRunRoute, documentsRoute, taskRoute } from "./routes";

const KEY = { dag_id: "invoices", run_id: "scheduled__2026-11-22T00:00:00+00:00", task_id: "group.extract", map_index: -1 };
const RUN = "/dags/invoices/runs/scheduled__2026-11-22T00:00:00+00:00";

it("leads to a task instance", () => {
  expect(taskRoute(KEY)).toBe(`${RUN}/tasks/group.extract`);
});

it("leads to one of a mapped task, its first included", () => {
  expect(taskRoute({ ...KEY, map_index: 0 })).toBe(`${RUN}/tasks/group.extract/mapped/0`);
});

it("leads to a Dag run whatever its id", () => {
  expect(dagRunRoute({ ...KEY, run_id: "a b/c?d#e%20" })).toBe("/dags/invoices/runs/a%20b%2Fc%3Fd%23e%2520");
});

it("leads to the tab, with its documents as they are asked for", () => {
  expect(documentsRoute(KEY, { state: "failed", search: "parsing failed" })).toBe(
    `${RUN}/tasks/group.extract/plugin/raydocs-documents?document_search=parsing+failed&document_state=failed`,
  );
});
