import { describe, expect, it } from "vitest";

import { documentsQuery, overviewQuery, readPageView, readTabView, writePageView, writeTabView } from "./query";

describe("the address of the page", () => {
  it.each([
    "",
    "period=7d&dag_id=invoices&state=failed",
    "period=custom&since=2026-11-01T00%3A00%3A00.000Z&until=2026-11-02T00%3A00%3A00.000Z&kind=load&page=3",
  ])("comes back from the view that it stands for: %s", (text) => {
    expect(writePageView(readPageView(new URLSearchParams(text))).toString()).toBe(text);
  });

  it("shows the usual where it says nonsense", () => {
    const view = readPageView(new URLSearchParams("period=99y&page=-1&since=yesterday"));
    expect(view).toMatchObject({ period: "24h", page: 0, since: "" });
  });
});

describe("what the API is asked", () => {
  it("begins as long ago as the period says", () => {
    const query = overviewQuery(readPageView(new URLSearchParams("period=3d")), new Date("2026-11-22T12:00:00Z"));
    expect(query.get("since")).toBe("2026-11-19T12:00:00.000Z");
    expect(query.has("until")).toBe(false);
  });

  it("is one page of task instances, or of documents", () => {
    expect(overviewQuery(readPageView(new URLSearchParams("page=3")), new Date()).get("offset")).toBe("100");
    expect(documentsQuery({ search: " x ", state: "", page: 2 }).toString()).toBe("search=x&limit=100&offset=200");
  });
});

it("keeps what is Airflow's in the address of the tab", () => {
  const present = new URLSearchParams("try_number=2&state=success&document_search=old&document_page=4");
  const view = { ...readTabView(present), search: "", state: "failed", page: 0 };
  expect(writeTabView(view, present).toString()).toBe("try_number=2&state=success&document_state=failed");
});
