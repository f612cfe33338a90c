/** How far documents are, in words. */

import type { Counts, TaskRun } from "./api";
import { count, formatNumber } from "./formatting";

/** "37 extracted, 3 failed" */
export function describeCounts(counts: Counts): string {
  const parts = [
    [counts.extracted, "extracted"],
    [counts.skipped, "landed before"],
    [counts.submitted, "with Raydocs"],
    [counts.uploaded, "uploaded"],
    [counts.failed, "failed"],
  ] as const;
  const said = parts.filter(([number]) => number).map(([number, text]) => `${formatNumber(number ?? 0)} ${text}`);
  return said.length > 0 ? said.join(", ") : "no documents";
}

/** One line that tells somebody who has never seen the task how it stands. */
export function headline(run: TaskRun): string {
  return isLanding(run) ? describeLanding(run) : describeExtraction(run);
}

function describeExtraction(run: TaskRun): string {
  const counts = run.counts;
  if (!counts) {
    return run.active ? "At work; no documents yet" : "No documents";
  }
  const { total, extracted = 0, skipped = 0, submitted = 0, uploaded = 0, failed = 0 } = counts;
  if (total === 0) {
    return "No documents";
  }
  const [done, verb] =
    run.kind === "upload"
      ? [uploaded, "uploaded"]
      : run.kind === "create_sessions"
        ? [submitted + extracted, "submitted"]
        : [extracted, "extracted"];
  const parts = [`${formatNumber(done)} of ${count(total, "document")} ${verb}`];
  if (failed > 0) {
    parts.push(`${formatNumber(failed)} failed`);
  }
  if (skipped > 0) {
    parts.push(`${formatNumber(skipped)} skipped because they had landed before`);
  }
  const open = total - done - failed - skipped;
  if (open > 0) {
    parts.push(run.active ? `${formatNumber(open)} in progress` : `${formatNumber(open)} not finished`);
  }
  return parts.join(", ");
}

/** Whether a task writes rows, instead of having documents extracted. */
export function isLanding(run: TaskRun): boolean {
  return run.kind === "load" || run.kind === "store";
}

function describeLanding(run: TaskRun): string {
  const rows = run.rows ?? {};
  if (Object.keys(rows).length === 0) {
    return run.active ? "Nothing landed yet" : "Nothing landed";
  }
  const parts = [`${count(sumRows(rows), "row")} landed in ${count(Object.keys(rows).length, "table")}`];
  if (run.to_review) {
    parts.push(`${count(run.to_review, "document")} to review`);
  }
  if (run.problems) {
    parts.push(`${count(run.problems, "value")} did not fit`);
  }
  return parts.join(", ");
}

export function sumRows(rows: Record<string, number>): number {
  return Object.values(rows).reduce((sum, number) => sum + number, 0);
}

const KINDS: Record<string, string> = {
  extract: "Extract",
  upload: "Upload",
  create_sessions: "Submit",
  wait: "Wait",
  load: "Load",
  store: "Store",
};

export function nameKind(kind: string): string {
  return KINDS[kind] ?? kind;
}
