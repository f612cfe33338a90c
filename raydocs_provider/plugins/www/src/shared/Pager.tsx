import { Button, Flex, Text } from "@chakra-ui/react";

import { formatNumber } from "../formatting";

interface Props {
  /** From 0. */
  page: number;
  size: number;
  total: number;
  what: string;
  turn: (page: number) => void;
}

export function Pager({ page, size, total, what, turn }: Props) {
  if (total <= size && page === 0) {
    return undefined;
  }
  const first = page * size + 1;
  const last = Math.min(total, first + size - 1);
  return (
    <Flex align="center" aria-label={`Pages of ${what}`} as="nav" gap={3} justify="flex-end" mt={3}>
      <Text aria-live="polite" color="fg.muted" textStyle="sm">
        {first <= total ? `${formatNumber(first)} to ${formatNumber(last)} of ${formatNumber(total)}` : "No more"}
      </Text>
      <Button disabled={page === 0} onClick={() => turn(page - 1)} size="xs" variant="outline">
        Previous
      </Button>
      <Button disabled={last >= total} onClick={() => turn(page + 1)} size="xs" variant="outline">
        Next
      </Button>
    </Flex>
  );
}
