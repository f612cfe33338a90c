import { Box, Button, Text } from "@chakra-ui/react";
import { useMutation } from "@tanstack/react-query";

import { type CheckedSession, checkSession, type TaskKey } from "../api";

interface Props {
  task: TaskKey;
  sessionId: string;
  name: string;
}

/** Look at an open session right now, instead of when the task looks at it next. */
export function CheckNow({ task, sessionId, name }: Props) {
  const check = useMutation({ mutationFn: () => checkSession(task, sessionId) });
  return (
    <Box mt={1}>
      <Button
        aria-label={`Check now: ${name}`}
        data-testid="raydocs-check"
        loading={check.isPending}
        loadingText="Checking"
        onClick={() => check.mutate()}
        size="2xs"
        variant="outline"
      >
        Check now
      </Button>
      <Text aria-live="polite" color={check.isError ? "failed.fg" : "fg.muted"} maxW="16rem" mt={1} textStyle="xs" whiteSpace="normal">
        {check.isError ? check.error.message : check.isSuccess ? describeCheck(check.data) : ""}
      </Text>
    </Box>
  );
}

function describeCheck(session: CheckedSession | undefined): string {
  if (session === undefined) {
    return "The request budget is used up. Try again in a minute.";
  }
  if (session.finished) {
    return `Finished: ${session.status}${session.reason === null ? "" : `, ${session.reason}`}. The task takes note when it looks next.`;
  }
  const document = session.document_status === null ? "" : `, document ${session.document_status}`;
  return `Not finished: ${session.status}${document}.`;
}
