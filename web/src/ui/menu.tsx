/* A button that opens a menu: arrow keys, Home, End, Escape, Tab and a click elsewhere. */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

export interface MenuItem {
  label: string;
  danger?: boolean;
  run: () => void;
}

interface Props {
  label: string;
  items: () => MenuItem[];
  children: ComponentChildren;
}

const GAP = 4;

/* Below the button, or above where there is no room; inside the window. */
function place(list: HTMLElement, button: HTMLElement): void {
  const from = button.getBoundingClientRect();
  const size = list.getBoundingClientRect();
  const below = from.bottom + GAP + size.height <= innerHeight;
  list.style.top = `${below ? from.bottom + GAP : Math.max(GAP, from.top - GAP - size.height)}px`;
  list.style.left = `${Math.max(GAP, Math.min(from.right - size.width, innerWidth - size.width - GAP))}px`;
}

export function Menu({ label, items, children }: Props) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();

  const close = (focus: boolean) => {
    setOpen(false);
    if (focus) button.current?.focus();
  };
  useEffect(() => {
    if (!open || !list.current || !button.current) return;
    place(list.current, button.current);
    list.current.querySelector("button")?.focus();
    const outside = (event: Event) => {
      const at = event.target as Node;
      if (!list.current?.contains(at) && !button.current?.contains(at)) setOpen(false);
    };
    const away = () => setOpen(false);
    document.addEventListener("pointerdown", outside);
    addEventListener("scroll", away, { passive: true });
    addEventListener("resize", away);
    return () => {
      document.removeEventListener("pointerdown", outside);
      removeEventListener("scroll", away);
      removeEventListener("resize", away);
    };
  }, [open]);

  const onKey = (event: KeyboardEvent) => {
    const all = [...(list.current?.querySelectorAll("button") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLButtonElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === "Escape") close(true);
    else if (event.key === "Tab") close(false);
    else if (to !== undefined) all.at(to % all.length)?.focus();
    if (event.key === "Escape" || to !== undefined) event.preventDefault();
  };
  return (
    <span class="menu">
      <button ref={button} type="button" class="button quiet icon" aria-haspopup="menu"
        aria-expanded={open} aria-controls={open ? id : undefined} aria-label={label}
        onClick={() => setOpen(!open)}>
        {children}
      </button>
      {open && (
        <div ref={list} id={id} class="menu-list" role="menu" aria-label={label} onKeyDown={onKey}>
          {items().map((item) => (
            <button key={item.label} type="button" role="menuitem" tabIndex={-1}
              class={item.danger ? "danger" : undefined}
              onClick={() => {
                close(true);
                item.run();
              }}>
              {item.label}
            </button>
          ))}
        </div>
      )}
    </span>
  );
}
