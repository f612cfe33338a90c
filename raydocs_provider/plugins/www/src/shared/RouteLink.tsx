import { Link } from "@chakra-ui/react";
import type { ReactNode } from "react";
import { Link as RouterLink } from "react-router-dom";

interface Props {
  to: string;
  children: ReactNode;
  /** For people who hear the link without what stands around it. */
  label?: string;
  testId?: string;
}

/** A link within Airflow's UI, followed without loading it anew. */
export function RouteLink({ to, children, label, testId }: Props) {
  return (
    <Link asChild colorPalette="brand" color="fg.info">
      <RouterLink aria-label={label} data-testid={testId} to={to}>
        {children}
      </RouterLink>
    </Link>
  );
}
