import { Box, Heading, Table } from "@chakra-ui/react";

import type { FailureGroup } from "../api";
import { formatNumber } from "../formatting";
import { documentsRoute } from "../routes";
import { RouteLink } from "../shared/RouteLink";

/** Failed documents by where and why, each with the way to some of them. */
export function Failures({ groups }: { groups: FailureGroup[] }) {
  if (groups.length === 0) {
    return undefined;
  }
  return (
    <Box as="section" aria-labelledby="raydocs-failures" data-testid="raydocs-failures" mb={6}>
      <Heading as="h2" id="raydocs-failures" mb={2} size="sm">
        Why documents failed
      </Heading>
      <Table.ScrollArea borderRadius="md" borderWidth={1}>
        <Table.Root size="sm">
          <Table.Header>
            <Table.Row>
              <Table.ColumnHeader>Step</Table.ColumnHeader>
              <Table.ColumnHeader>Code</Table.ColumnHeader>
              <Table.ColumnHeader textAlign="end">Documents</Table.ColumnHeader>
              <Table.ColumnHeader textAlign="end">Tasks</Table.ColumnHeader>
              <Table.ColumnHeader>Newest task that has it</Table.ColumnHeader>
            </Table.Row>
          </Table.Header>
          <Table.Body>
            {groups.map(({ stage, code, count, tasks, example }) => (
              <Table.Row data-testid="raydocs-failure" key={`${stage}/${code}`}>
                <Table.Cell>{stage}</Table.Cell>
                <Table.Cell fontFamily="mono" textStyle="xs">
                  <RouteLink
                    label={`Documents that failed with ${code} in ${example.dag_id}, task ${example.task_id}`}
                    to={documentsRoute(example, { state: "failed", search: `${stage} ${code}` })}
                  >
                    {code}
                  </RouteLink>
                </Table.Cell>
                <Table.Cell fontVariantNumeric="tabular-nums" textAlign="end">
                  {formatNumber(count)}
                </Table.Cell>
                <Table.Cell fontVariantNumeric="tabular-nums" textAlign="end">
                  {formatNumber(tasks)}
                </Table.Cell>
                <Table.Cell>
                  {example.dag_id} / {example.task_id}
                  {example.map_index >= 0 ? ` [${example.map_index}]` : ""}
                </Table.Cell>
              </Table.Row>
            ))}
          </Table.Body>
        </Table.Root>
      </Table.ScrollArea>
    </Box>
  );
}
