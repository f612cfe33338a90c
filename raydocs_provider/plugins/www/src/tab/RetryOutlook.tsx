import { Alert, Box, Text } from "@chakra-ui/react";

import type { TaskDetails } from "../api";
import { count } from "../formatting";

/** What a retry would do and what clearing would cost, in one sentence each: for whoever has the hand on the button. */
export function RetryOutlook({ details: { run, retry, clear } }: { details: TaskDetails }) {
  const failed = (run.counts?.failed ?? 0) > 0 || run.state === "failed" || run.state === "up_for_retry";
  const further =
    run.state === "success"
      ? ""
      : retry.retries_left > 0
        ? ` Airflow retries this task by itself, up to ${count(retry.retries_left, "more time")}.`
        : " Airflow does not retry this task any more by itself.";
  const sentences = (
    <>
      <Text data-testid="raydocs-retry">
        {retry.summary}
        {further}
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
