import { Badge, Flex, Table, Text } from "@chakra-ui/react";

import type { DocumentRow, TaskKey } from "../api";
import { formatDuration } from "../formatting";
import { Moment } from "../shared/Moment";
import { StateBadge } from "../shared/StateBadge";
import { CheckNow } from "./CheckNow";

const COSTS = new Set(["tried again", "paid again"]);

/** One document of a task. */
export function DocumentLine({ task, document }: { task: TaskKey; document: DocumentRow }) {
  const settled = document.state === "extracted" || document.state === "skipped";
  return (
    <Table.Row data-testid="raydocs-document" verticalAlign="top">
      <Table.Cell>
        <StateBadge state={document.state} />
      </Table.Cell>
      <Table.Cell maxW="18rem" title={document.uri} wordBreak="break-word">
        {document.name}
      </Table.Cell>
      <Table.Cell maxW="24rem">
        {document.code === null ? undefined : (
          <Text color="fg.error" fontFamily="mono" textStyle="xs">
            {document.stage} / {document.code}
          </Text>
        )}
        {document.reason === null ? undefined : (
          <Text textStyle="xs" wordBreak="break-word">
            {document.reason}
          </Text>
        )}
        {document.review_codes.length > 0 ? (
          <Flex align="center" gap={1} wrap="wrap">
            <Text textStyle="xs">To review:</Text>
            {document.review_codes.map((code) => (
              <Badge colorPalette="warning" fontFamily="mono" key={code} size="xs">
                {code}
              </Badge>
            ))}
          </Flex>
        ) : undefined}
      </Table.Cell>
      <Table.Cell maxW="20rem" title={document.retry_why}>
        <Badge colorPalette={COSTS.has(document.retry) ? "warning" : "gray"} size="xs" variant="outline">
          {document.retry}
        </Badge>
        {settled ? undefined : (
          <Text color="fg.muted" mt={1} textStyle="xs">
            {document.retry_why}
          </Text>
        )}
      </Table.Cell>
      <Table.Cell fontVariantNumeric="tabular-nums" textAlign="end">
        {document.min_confidence === null ? "" : document.min_confidence.toFixed(2)}
      </Table.Cell>
      <Table.Cell>
        <Moment at={document.submitted_at} />
      </Table.Cell>
      <Table.Cell fontVariantNumeric="tabular-nums" textAlign="end" whiteSpace="nowrap">
        {document.seconds === null ? "" : formatDuration(document.seconds)}
      </Table.Cell>
      <Table.Cell>
        {document.session_id === null ? undefined : (
          <Text fontFamily="mono" maxW="10rem" textStyle="xs" title={document.session_id} truncate>
            {document.session_id}
          </Text>
        )}
        {document.state === "submitted" && document.session_id !== null ? (
          <CheckNow name={document.name} sessionId={document.session_id} task={task} />
        ) : undefined}
      </Table.Cell>
    </Table.Row>
  );
}
