/** Where things are in Airflow's UI, below its base path. */

import type { TaskKey } from "./api";
import { type TabView, writeTabView } from "./query";

export function dagRunRoute(key: TaskKey): string {
  return `/dags/${encodeSegment(key.dag_id)}/runs/${encodeSegment(key.run_id)}`;
}

/** The page of a task instance. What it shows first is the log. */
export function taskRoute(key: TaskKey): string {
  const mapped = key.map_index >= 0 ? `/mapped/${key.map_index}` : "";
  return `${dagRunRoute(key)}/tasks/${encodeSegment(key.task_id)}${mapped}`;
}

/** The tab of a task instance, with its documents as they are asked for. */
export function documentsRoute(key: TaskKey, view: Partial<TabView> = {}): string {
  const search = writeTabView(view).toString();
  return `${taskRoute(key)}/plugin/raydocs-documents${search ? `?${search}` : ""}`;
}

/** The page, with one Dag chosen. */
export function overviewRoute(dagId: string): string {
  return `/plugin/raydocs?${new URLSearchParams({ dag_id: dagId }).toString()}`;
}

/** Airflow leaves alone what a path may hold, and marks a tab as the present one only if it is written the same way. */
function encodeSegment(text: string): string {
  return encodeURIComponent(text).replace(/%(?:24|26|2B|2C|3A|3B|3D|40)/g, decodeURIComponent);
}
