import type { SystemContext } from "@chakra-ui/react";

declare global {
  /** The theme of Airflow's UI, from Airflow 3.2. */
  var ChakraUISystem: SystemContext | undefined;
}
