import { Table } from "@chakra-ui/react";

import { formatNumber } from "../formatting";

/** What a load has written. */
export function LandedRows({ rows }: { rows: Record<string, number> }) {
  if (Object.keys(rows).length === 0) {
    return undefined;
  }
  return (
    <Table.ScrollArea borderRadius="md" borderWidth={1} maxW="40rem">
      <Table.Root data-testid="raydocs-rows" size="sm">
        <Table.Header>
          <Table.Row>
            <Table.ColumnHeader>Table</Table.ColumnHeader>
            <Table.ColumnHeader textAlign="end">Rows</Table.ColumnHeader>
          </Table.Row>
        </Table.Header>
        <Table.Body>
          {Object.entries(rows).map(([table, number]) => (
            <Table.Row key={table}>
              <Table.Cell fontFamily="mono" textStyle="xs">
                {table}
              </Table.Cell>
              <Table.Cell fontVariantNumeric="tabular-nums" textAlign="end">
                {formatNumber(number)}
              </Table.Cell>
            </Table.Row>
          ))}
        </Table.Body>
      </Table.Root>
    </Table.ScrollArea>
  );
}
