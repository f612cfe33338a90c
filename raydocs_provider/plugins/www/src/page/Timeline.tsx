import { Box, chakra, Flex, Heading, Table, Text } from "@chakra-ui/react";

import type { Bucket } from "../api";
import { chosenTimeZone, count, formatDuration, formatNumber, formatTime } from "../formatting";

const WIDTH = 1000;
const HEIGHT = 120;
const GAP = 0.2;
// Attributes of their own of SVG, not the styles of the same names.
const Bar = chakra("rect", {}, { forwardProps: ["x", "y", "width", "height"] });

interface Props {
  buckets: Bucket[];
  bucketSeconds: number;
}

/** Documents over time: bars of extracted and failed ones, and the same as a table. */
export function Timeline({ buckets, bucketSeconds }: Props) {
  const most = Math.max(0, ...buckets.map((bucket) => bucket.extracted + bucket.failed));
  const rows = buckets.some((bucket) => bucket.rows > 0);
  if (most === 0 && !rows) {
    return undefined;
  }
  const zone = chosenTimeZone();
  const at = (bucket: Bucket | undefined) => (bucket ? formatTime(new Date(bucket.at), zone, "short") : "");
  const scale = most > 0 ? HEIGHT / most : 0;
  const width = WIDTH / buckets.length;
  const busy = buckets.filter((bucket) => bucket.extracted + bucket.failed + bucket.rows > 0);
  return (
    <Box as="section" aria-labelledby="raydocs-timeline" data-testid="raydocs-timeline" mb={6}>
      <Flex align="baseline" gap={4} justify="space-between" mb={2} wrap="wrap">
        <Heading as="h2" id="raydocs-timeline" size="sm">
          Documents over time
        </Heading>
        <Flex color="fg.muted" gap={4} textStyle="xs">
          <Legend color="success.solid" text="extracted" />
          <Legend color="failed.solid" text="failed" />
          <Text>one bar: {formatDuration(bucketSeconds)}</Text>
        </Flex>
      </Flex>
      <Flex gap={2}>
        <Flex color="fg.muted" direction="column" fontVariantNumeric="tabular-nums" h="120px" justify="space-between" textAlign="end" textStyle="xs">
          <Text lineHeight={1}>{formatNumber(most)}</Text>
          <Text lineHeight={1}>0</Text>
        </Flex>
        <Box borderBottomWidth={1} borderInlineStartWidth={1} flex={1} h="120px" minW={0}>
          <svg
            aria-label={`Documents over time, at most ${formatNumber(most)} in ${formatDuration(bucketSeconds)}. The table below says the same.`}
            height="100%"
            preserveAspectRatio="none"
            role="img"
            viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
            width="100%"
          >
            {buckets.map((bucket, place) => {
              const failed = bucket.failed * scale;
              const extracted = bucket.extracted * scale;
              const bar = { x: (place + GAP / 2) * width, width: width * (1 - GAP) };
              return (
                <g key={bucket.at}>
                  <title>
                    {`${at(bucket)}: ${formatNumber(bucket.extracted)} extracted, ${formatNumber(bucket.failed)} failed, ${count(bucket.rows, "row")} landed`}
                  </title>
                  <rect fill="transparent" height={HEIGHT} width={width} x={place * width} y={0} />
                  <Bar {...bar} fill="success.solid" height={extracted} y={HEIGHT - failed - extracted} />
                  <Bar {...bar} fill="failed.solid" height={failed} y={HEIGHT - failed} />
                </g>
              );
            })}
          </svg>
        </Box>
      </Flex>
      <Flex color="fg.muted" justify="space-between" mt={1} ps={6} textStyle="xs">
        <Text>{at(buckets[0])}</Text>
        <Text hideBelow="md">{at(buckets[Math.floor(buckets.length / 2)])}</Text>
        <Text>{at(buckets.at(-1))}</Text>
      </Flex>
      <details>
        <Box as="summary" color="fg.muted" cursor="pointer" mt={1} textStyle="xs" w="fit-content">
          Show as a table
        </Box>
        <Table.ScrollArea borderRadius="md" borderWidth={1} maxH="16rem" maxW="36rem" mt={2}>
          <Table.Root size="sm" stickyHeader>
            <Table.Header>
              <Table.Row>
                <Table.ColumnHeader>From</Table.ColumnHeader>
                <Table.ColumnHeader textAlign="end">Extracted</Table.ColumnHeader>
                <Table.ColumnHeader textAlign="end">Failed</Table.ColumnHeader>
                <Table.ColumnHeader textAlign="end">Rows landed</Table.ColumnHeader>
              </Table.Row>
            </Table.Header>
            <Table.Body>
              {busy.map((bucket) => (
                <Table.Row key={bucket.at}>
                  <Table.Cell>{at(bucket)}</Table.Cell>
                  <Table.Cell textAlign="end">{formatNumber(bucket.extracted)}</Table.Cell>
                  <Table.Cell textAlign="end">{formatNumber(bucket.failed)}</Table.Cell>
                  <Table.Cell textAlign="end">{formatNumber(bucket.rows)}</Table.Cell>
                </Table.Row>
              ))}
            </Table.Body>
          </Table.Root>
        </Table.ScrollArea>
      </details>
    </Box>
  );
}

function Legend({ color, text }: { color: string; text: string }) {
  return (
    <Flex align="center" gap={1}>
      <Box bg={color} borderRadius="xs" h={2} w={2} />
      <Text>{text}</Text>
    </Flex>
  );
}
