import { Badge, Button, Flex, Text } from "@chakra-ui/react";
import { useState } from "react";

import { formatNumber } from "../formatting";

const SHOWN = 2;

/** Why a person should look at a document: a few of the codes, the rest on request. */
export function ReviewCodes({ codes }: { codes: string[] }) {
  const [all, setAll] = useState(false);
  const hidden = codes.length - SHOWN;
  return (
    <Flex align="center" gap={1} mt={1} wrap="wrap">
      <Text textStyle="xs">To review:</Text>
      {codes.slice(0, all ? undefined : SHOWN).map((code) => (
        <Badge colorPalette="warning" fontFamily="mono" key={code} size="xs">
          {code}
        </Badge>
      ))}
      {hidden > 0 ? (
        <Button aria-expanded={all} onClick={() => setAll(!all)} size="2xs" variant="ghost">
          {all ? "Fewer" : `${formatNumber(hidden)} more`}
        </Button>
      ) : undefined}
    </Flex>
  );
}
