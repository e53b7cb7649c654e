import type { ComponentChildren } from "preact";

interface Props {
  children: ComponentChildren;
  onClick?: (event: MouseEvent) => void;
  kind?: "plain" | "primary" | "danger" | "quiet";
  small?: boolean;
  disabled?: boolean;
  label?: string; /* where the contents do not say it */
  title?: string;
  type?: "button" | "submit";
  pressed?: boolean;
  autoFocus?: boolean;
}

export function Button(props: Props) {
  const { kind = "plain", small = false, type = "button" } = props;
  return (
    <button
      type={type}
      class={`button ${kind}${small ? " small" : ""}`}
      onClick={props.onClick}
      disabled={props.disabled}
      aria-label={props.label}
      aria-pressed={props.pressed}
      title={props.title}
      autoFocus={props.autoFocus}
    >
      {props.children}
    </button>
  );
}
