/** What the API under /raydocs/api answers; plugins/api/app.py describes it. */

export interface TaskKey {
  dag_id: string;
  run_id: string;
  task_id: string;
  map_index: number;
}

export interface Counts {
  total: number;
  uploaded?: number;
  submitted?: number;
  extracted?: number;
  skipped?: number;
  failed?: number;
}

export interface Seconds {
  p50: number;
  p90: number;
  max: number;
}

export interface TaskRun extends TaskKey {
  try_number: number;
  state: string | null;
  active: boolean;
  kind: string;
  run_after: string | null;
  start_date: string | null;
  end_date: string | null;
  updated_at: string | null;
  template_id: string | null;
  template_name: string | null;
  counts: Counts | null;
  to_review: number | null;
  oldest_open: number | null;
  seconds: Seconds | null;
  requests: number;
  limited: number;
  budget_wait: number;
  rows: Record<string, number> | null;
  problems: number | null;
}

export interface Summary {
  tasks: number;
  active: number;
  documents: number;
  extracted: number;
  failed: number;
  skipped: number;
  open: number;
  oldest_open: number | null;
  to_review: number;
  rows: number;
  requests: number;
  limited: number;
  budget_wait: number;
  seconds: Seconds | null;
}

export interface FailureGroup {
  stage: string;
  code: string;
  count: number;
  tasks: number;
  example: TaskKey;
}

export interface Bucket {
  at: string;
  extracted: number;
  failed: number;
  rows: number;
}

export interface Choices {
  dags: string[];
  tasks: string[];
  states: string[];
  kinds: string[];
  templates: { id: string; name: string }[];
}

export interface Overview {
  runs: TaskRun[];
  total: number;
  summary: Summary;
  failures: FailureGroup[];
  timeline: Bucket[];
  bucket_seconds: number;
  filters: Choices;
  since: string;
  until: string;
}

export interface DocumentRow {
  uri: string;
  name: string;
  state: string;
  stage: string | null;
  code: string | null;
  reason: string | null;
  session_id: string | null;
  result_id: string | null;
  min_confidence: number | null;
  review_codes: string[];
  submitted_at: string | null;
  seconds: number | null;
  retry: string;
  retry_why: string;
}

export interface TaskDetails {
  raydocs: true;
  run: TaskRun;
  total: number;
  states: Partial<Record<string, number>>;
  documents: DocumentRow[];
  problem: string | null;
  results_path: string | null;
  retry: { summary: string; counts: Partial<Record<string, number>>; retries_left: number };
  clear: { summary: string };
  links?: { name: string; url: string }[];
}

export interface OtherTask {
  raydocs: false;
  message: string;
}

export interface CheckedSession {
  session_id: string;
  status: string;
  document_status: string | null;
  reason: string | null;
  finished: boolean;
}

/** An answer that is none: what happened, in words for the person in front of the screen. */
export class ApiError extends Error {
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

/** Where Airflow is below its host, with a slash at the end. */
export function basePath(): string {
  const href = document.querySelector("head > base")?.getAttribute("href") ?? "/";
  const path = new URL(href, globalThis.location.origin).pathname;
  return path.endsWith("/") ? path : `${path}/`;
}

/** The address of the API's view of a task instance. */
export function taskPath(key: TaskKey): string {
  const parts = [key.dag_id, key.run_id, key.task_id, String(key.map_index)];
  return `${basePath()}raydocs/api/tasks/${parts.map(encodeURIComponent).join("/")}`;
}

export async function fetchOverview(query: URLSearchParams, signal: AbortSignal): Promise<Overview> {
  return await request<Overview>(`${basePath()}raydocs/api/runs?${query.toString()}`, { signal });
}

export async function fetchTask(
  key: TaskKey,
  query: URLSearchParams,
  signal: AbortSignal,
): Promise<TaskDetails | OtherTask> {
  return await request<TaskDetails | OtherTask>(`${taskPath(key)}?${query.toString()}`, { signal });
}

/** Look at one open session right now. */
export async function checkSession(key: TaskKey, sessionId: string): Promise<CheckedSession | undefined> {
  const answer = await request<{ sessions: CheckedSession[] }>(`${taskPath(key)}/check`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ session_ids: [sessionId] }),
  });
  return answer.sessions[0];
}

async function request<Answer>(url: string, init: RequestInit): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: "same-origin", ...init });
  } catch (problem) {
    if (init.signal?.aborted) {
      throw problem;
    }
    throw new ApiError("Airflow's API server cannot be reached.");
  }
  if (!response.ok) {
    throw new ApiError(explain(response.status, await readDetail(response)), response.status);
  }
  return (await response.json()) as Answer;
}

async function readDetail(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { detail?: unknown };
    return typeof body.detail === "string" ? body.detail : "";
  } catch {
    return "";
  }
}

/** An HTTP status in plain words. */
export function explain(status: number, detail: string): string {
  if (status === 401) {
    return "You are not signed in any more. Reload this page to sign in.";
  }
  if (status === 403) {
    return "You have no permission for this. It takes the right to see the Dag's task instances and XComs; to check a session, also the right to edit its task instances.";
  }
  if (status === 404) {
    return detail || "There is no such task instance.";
  }
  return detail || `Airflow's API server answered with HTTP status ${status}.`;
}
