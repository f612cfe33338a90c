/** What the page and the tab keep in their addresses, so that a view can be shared. */

export const PERIODS = ["24h", "3d", "7d", "30d", "custom"] as const;
export type Period = (typeof PERIODS)[number];

export const FILTERS = ["dag_id", "task_id", "template_id", "state", "kind"] as const;
export type Filter = (typeof FILTERS)[number];

export const PAGE_SIZE = 50;
export const DOCUMENTS_PAGE_SIZE = 100;

const HOUR = 3_600_000;
const LENGTHS: Record<Exclude<Period, "custom">, number> = {
  "24h": 24 * HOUR,
  "3d": 3 * 24 * HOUR,
  "7d": 7 * 24 * HOUR,
  "30d": 30 * 24 * HOUR,
};

export interface PageView {
  period: Period;
  /** Of a custom period, as ISO; empty: not chosen. */
  since: string;
  until: string;
  filters: Record<Filter, string>;
  /** From 0. */
  page: number;
}

/** What an address asks for. What it gets wrong counts as not asked for. */
export function readPageView(query: URLSearchParams): PageView {
  const period = PERIODS.find((one) => one === query.get("period")) ?? "24h";
  const filters = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""])) as Record<Filter, string>;
  return {
    period,
    since: period === "custom" ? readMoment(query.get("since")) : "",
    until: period === "custom" ? readMoment(query.get("until")) : "",
    filters,
    page: readPage(query, "page"),
  };
}

/** The address of a view: what is as usual is left out. */
export function writePageView(view: PageView): URLSearchParams {
  const query = new URLSearchParams();
  put(query, "period", view.period === "24h" ? "" : view.period);
  if (view.period === "custom") {
    put(query, "since", view.since);
    put(query, "until", view.until);
  }
  for (const name of FILTERS) {
    put(query, name, view.filters[name]);
  }
  writePage(query, "page", view.page);
  return query;
}

/** What the API is asked for a view. */
export function overviewQuery(view: PageView, now: Date): URLSearchParams {
  const query = new URLSearchParams();
  if (view.period === "custom") {
    put(query, "since", view.since);
    put(query, "until", view.until);
  } else {
    query.set("since", new Date(now.getTime() - LENGTHS[view.period]).toISOString());
  }
  for (const name of FILTERS) {
    put(query, name, view.filters[name]);
  }
  query.set("limit", String(PAGE_SIZE));
  query.set("offset", String(view.page * PAGE_SIZE));
  return query;
}

export interface TabView {
  search: string;
  state: string;
  /** From 0. */
  page: number;
}

// Airflow's own filters on the same page are called `state` and the like.
const TAB = { search: "document_search", state: "document_state", page: "document_page" } as const;

export function readTabView(query: URLSearchParams): TabView {
  return {
    search: query.get(TAB.search) ?? "",
    state: query.get(TAB.state) ?? "",
    page: readPage(query, TAB.page),
  };
}

/** Other parameters of the address are Airflow's, and stay. */
export function writeTabView(view: Partial<TabView>, present = new URLSearchParams()): URLSearchParams {
  const query = new URLSearchParams(present);
  put(query, TAB.search, view.search ?? "");
  put(query, TAB.state, view.state ?? "");
  writePage(query, TAB.page, view.page ?? 0);
  return query;
}

export function documentsQuery(view: TabView): URLSearchParams {
  const query = new URLSearchParams();
  put(query, "search", view.search.trim());
  put(query, "state", view.state);
  query.set("limit", String(DOCUMENTS_PAGE_SIZE));
  query.set("offset", String(view.page * DOCUMENTS_PAGE_SIZE));
  return query;
}

function put(query: URLSearchParams, name: string, value: string): void {
  if (value) {
    query.set(name, value);
  } else {
    query.delete(name);
  }
}

function writePage(query: URLSearchParams, name: string, page: number): void {
  put(query, name, page > 0 ? String(page + 1) : "");
}

function readPage(query: URLSearchParams, name: string): number {
  const page = Number(query.get(name) ?? "1");
  return Number.isSafeInteger(page) && page > 1 ? page - 1 : 0;
}

function readMoment(text: string | null): string {
  const moment = Date.parse(text ?? "");
  return Number.isNaN(moment) ? "" : new Date(moment).toISOString();
}
