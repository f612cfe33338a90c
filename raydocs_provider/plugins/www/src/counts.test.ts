import { describe, expect, it } from "vitest";

import type { TaskRun } from "./api";
import { headline } from "./counts";

const RUN: TaskRun = {
  dag_id: "invoices",
  run_id: "manual__1",
  task_id: "extract",
  map_index: -1,
  try_number: 1,
  state: "success",
  active: false,
  kind: "extract",
  run_after: null,
  start_date: null,
  end_date: null,
  updated_at: null,
  template_id: null,
  template_name: null,
  counts: null,
  to_review: null,
  oldest_open: null,
  seconds: null,
  requests: 0,
  limited: 0,
  budget_wait: 0,
  rows: null,
  problems: null,
};

describe("the headline", () => {
  it.each<[Partial<TaskRun>, string]>([
    [{ counts: { total: 40, extracted: 37, failed: 3 } }, "37 of 40 documents extracted, 3 failed"],
    [
      { counts: { total: 40, extracted: 12, submitted: 28 }, active: true },
      "12 of 40 documents extracted, 28 in progress",
    ],
    [{ counts: { total: 2, extracted: 1, submitted: 1 } }, "1 of 2 documents extracted, 1 not finished"],
    [
      { counts: { total: 3, extracted: 1, skipped: 2 } },
      "1 of 3 documents extracted, 2 skipped because they had landed before",
    ],
    [{ kind: "upload", counts: { total: 1, uploaded: 1 } }, "1 of 1 document uploaded"],
    [{ kind: "create_sessions", counts: { total: 5, submitted: 4, failed: 1 } }, "4 of 5 documents submitted, 1 failed"],
    [{ counts: { total: 0 } }, "No documents"],
    [
      { kind: "load", rows: { invoices: 1000, invoices__lines: 234 }, to_review: 3 },
      "1,234 rows landed in 2 tables, 3 documents to review",
    ],
    [{ kind: "load" }, "Nothing landed"],
    [{ kind: "store", rows: { invoices: 1 }, problems: 1 }, "1 row landed in 1 table, 1 value did not fit"],
  ])("of %o", (facts, text) => {
    expect(headline({ ...RUN, ...facts })).toBe(text);
  });
});
