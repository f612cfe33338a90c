import { Alert, Box, Button, Flex, Spinner, Text } from "@chakra-ui/react";
import type { ReactNode } from "react";

import { ApiError } from "../api";

export function Loading({ what }: { what: string }) {
  return (
    <Flex align="center" color="fg.muted" data-testid="raydocs-loading" gap={3} py={8} role="status">
      <Spinner size="sm" />
      <Text>Loading {what} ...</Text>
    </Flex>
  );
}

interface ProblemProps {
  problem: Error;
  /** What the person wanted to see. */
  what: string;
  retry: () => void;
  isRetrying: boolean;
  /** Older data is on the screen. */
  stale?: boolean;
}

/** What happened, and a button to try again. */
export function Problem({ problem, what, retry, isRetrying, stale = false }: ProblemProps) {
  const refused = problem instanceof ApiError && (problem.status === 401 || problem.status === 403);
  return (
    <Alert.Root data-testid="raydocs-problem" mb={4} role="alert" status={stale ? "warning" : "error"}>
      <Alert.Indicator />
      <Alert.Content>
        <Alert.Title>
          {stale ? `Not up to date: ${what} could not be loaded again.` : `${sentence(what)} could not be loaded.`}
        </Alert.Title>
        <Alert.Description>
          <Text mb={refused ? 0 : 2}>{problem.message}</Text>
          {refused ? undefined : (
            <Button loading={isRetrying} onClick={retry} size="xs" variant="outline">
              Try again
            </Button>
          )}
        </Alert.Description>
      </Alert.Content>
    </Alert.Root>
  );
}

export function Empty({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Box
      borderRadius="md"
      borderStyle="dashed"
      borderWidth={1}
      data-testid="raydocs-empty"
      px={4}
      py={8}
      textAlign="center"
    >
      <Text fontWeight="semibold">{title}</Text>
      <Text color="fg.muted" mt={1} textStyle="sm">
        {children}
      </Text>
    </Box>
  );
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
