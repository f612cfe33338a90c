/** Where things are in Airflow's UI, below its base path. */

import type { TaskKey } from "./api";

export function dagRunRoute(key: TaskKey): string {
  return `/dags/${encodeURIComponent(key.dag_id)}/runs/${encodeURIComponent(key.run_id)}`;
}

/** The page of a task instance. What it shows first is the log. */
export function taskRoute(key: TaskKey): string {
  const mapped = key.map_index >= 0 ? `/mapped/${key.map_index}` : "";
  return `${dagRunRoute(key)}/tasks/${encodeURIComponent(key.task_id)}${mapped}`;
}

/** The tab of a task instance, with its documents as they are asked for. */
export function documentsRoute(key: TaskKey, query: Record<string, string> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `${taskRoute(key)}/plugin/raydocs-documents${search ? `?${search}` : ""}`;
}

/** The page, with one Dag chosen. */
export function overviewRoute(dagId: string): string {
  return `/plugin/raydocs?${new URLSearchParams({ dag_id: dagId }).toString()}`;
}
