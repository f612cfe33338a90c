import { Field, NativeSelect } from "@chakra-ui/react";

interface Props {
  label: string;
  /** Empty: all. */
  value: string;
  options: { value: string; label: string }[];
  choose: (value: string) => void;
}

/** One filter. A value that is not among the options, from a shared address, stays visible. */
export function Choice({ label, value, options, choose }: Props) {
  const known = value === "" || options.some((option) => option.value === value);
  return (
    <Field.Root w="auto">
      <Field.Label color="fg.muted" textStyle="xs">
        {label}
      </Field.Label>
      <NativeSelect.Root size="sm" w="auto">
        <NativeSelect.Field
          maxW="16rem"
          minW="8rem"
          onChange={(event) => choose(event.currentTarget.value)}
          textOverflow="ellipsis"
          value={value}
        >
          <option value="">All</option>
          {known ? undefined : <option value={value}>{value}</option>}
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </NativeSelect.Field>
        <NativeSelect.Indicator />
      </NativeSelect.Root>
    </Field.Root>
  );
}
