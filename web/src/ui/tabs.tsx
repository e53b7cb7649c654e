/* Tabs as the WAI-ARIA practices have them: arrow keys move, one is in the tab order. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

export interface Tab {
  name: string;
  title: ComponentChildren;
}

interface Props {
  label: string;
  tabs: Tab[];
  current: string;
  onChange: (name: string) => void;
  children: ComponentChildren;
}

export function Tabs({ label, tabs, current, onChange, children }: Props) {
  const id = useId();
  const onKey = (event: KeyboardEvent) => {
    const at = tabs.findIndex((tab) => tab.name === current);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    const next = to === undefined ? undefined : tabs.at(to % tabs.length);
    if (!next) return;
    event.preventDefault();
    onChange(next.name);
    document.getElementById(`${id}-${next.name}`)?.focus();
  };
  return (
    <div class="tabs">
      <div class="tab-list" role="tablist" aria-label={label} onKeyDown={onKey}>
        {tabs.map((tab) => (
          <button key={tab.name} type="button" role="tab" id={`${id}-${tab.name}`}
            aria-selected={tab.name === current} aria-controls={`${id}-panel`}
            tabIndex={tab.name === current ? 0 : -1} onClick={() => onChange(tab.name)}>
            {tab.title}
          </button>
        ))}
      </div>
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${current}`}>{children}</div>
    </div>
  );
}
