import { Alert, Box, Text } from "@chakra-ui/react";

import type { TaskDetails } from "../api";
import { formatNumber } from "../formatting";

/** What a retry would do and what clearing would cost, in one sentence each: for whoever has the hand on the button. */
export function RetryOutlook({ details: { run, retry, clear } }: { details: TaskDetails }) {
  const failed = (run.counts?.failed ?? 0) > 0 || run.state === "failed" || run.state === "up_for_retry";
  const further = describeRetries(run.state, retry.retries_left);
  const sentences = (
    <>
      <Text data-testid="raydocs-retry">
        {[retry.summary, further].filter(Boolean).join(" ")}
      </Text>
      <Text data-testid="raydocs-clear">{clear.summary}</Text>
    </>
  );
  return failed ? (
    <Alert.Root data-testid="raydocs-outlook" mb={4} status="warning">
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>Before you retry or clear this task</Alert.Title>
        <Alert.Description>{sentences}</Alert.Description>
      </Alert.Content>
    </Alert.Root>
  ) : (
    <Box color="fg.muted" data-testid="raydocs-outlook" mb={4} textStyle="sm">
      {sentences}
    </Box>
  );
}

/** What Airflow does without anybody pressing a button. */
function describeRetries(state: string | null, left: number): string {
  if (state === "failed") {
    return "Airflow does not retry this task by itself any more.";
  }
  if (state === "up_for_retry") {
    return "Airflow is about to retry this task by itself.";
  }
  if (state === "success" || state === "skipped") {
    return "";
  }
  return left > 0
    ? `If it fails, Airflow retries it by itself ${left === 1 ? "once" : `up to ${formatNumber(left)} times`}.`
    : "If it fails, Airflow does not retry it by itself.";
}
