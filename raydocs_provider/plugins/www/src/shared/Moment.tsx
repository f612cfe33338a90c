import { chosenTimeZone, formatTime, formatUtc } from "../formatting";

interface Props {
  /** ISO, or seconds since 1970. */
  at: string | number | null;
  style?: "long" | "short";
}

/** A time in the time zone of Airflow's UI; UTC shows when it is pointed at. */
export function Moment({ at, style = "short" }: Props) {
  if (at === null) {
    return undefined;
  }
  const moment = new Date(typeof at === "number" ? at * 1000 : at);
  return (
    <time dateTime={moment.toISOString()} style={{ whiteSpace: "nowrap" }} title={formatUtc(moment)}>
      {formatTime(moment, chosenTimeZone(), style)}
    </time>
  );
}
