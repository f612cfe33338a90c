/** How often what is on the screen is asked for again, in milliseconds; the browser's hidden tabs do not ask. */
export const ACTIVE_INTERVAL = 10_000;
export const IDLE_INTERVAL = 60_000;
