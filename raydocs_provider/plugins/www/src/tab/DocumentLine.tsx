import { Badge, Table, Text } from "@chakra-ui/react";

import type { DocumentRow, TaskKey } from "../api";
import { formatDuration } from "../formatting";
import { Moment } from "../shared/Moment";
import { StateBadge } from "../shared/StateBadge";
import { CheckNow } from "./CheckNow";
import { ReviewCodes } from "./ReviewCodes";

const COSTS = new Set(["tried again", "paid again"]);

/** One document of a task. */
export function DocumentLine({ task, document }: { task: TaskKey; document: DocumentRow }) {
  return (
    <Table.Row data-testid="raydocs-document" verticalAlign="top">
      <Table.Cell>
        <StateBadge state={document.state} />
      </Table.Cell>
      <Table.Cell minW="14rem" whiteSpace="normal" wordBreak="break-word">
        <Text title={document.uri}>{document.name}</Text>
        {document.code === null ? undefined : (
          <Text color="failed.fg" fontFamily="mono" mt={1} textStyle="xs">
            {document.stage} / {document.code}
          </Text>
        )}
        {document.reason === null ? undefined : <Text textStyle="xs">{document.reason}</Text>}
        {document.review_codes.length > 0 ? <ReviewCodes codes={document.review_codes} /> : undefined}
      </Table.Cell>
      <Table.Cell minW="9rem" title={document.retry_why} whiteSpace="normal">
        <Badge colorPalette={COSTS.has(document.retry) ? "warning" : "gray"} size="sm" variant="outline">
          {document.retry}
        </Badge>
        {document.state === "failed" ? (
          <Text color="fg.muted" mt={1} textStyle="xs">
            {document.retry_why}
          </Text>
        ) : undefined}
      </Table.Cell>
      <Table.Cell fontVariantNumeric="tabular-nums" textAlign="end">
        {document.min_confidence === null ? "" : document.min_confidence.toFixed(2)}
      </Table.Cell>
      <Table.Cell>
        <Moment at={document.submitted_at} />
        {document.seconds === null ? undefined : (
          <Text color="fg.muted" textStyle="xs" whiteSpace="nowrap">
            took {formatDuration(document.seconds)}
          </Text>
        )}
      </Table.Cell>
      <Table.Cell>
        {document.session_id === null ? undefined : (
          <Text fontFamily="mono" maxW="8rem" textStyle="xs" title={document.session_id} truncate>
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
