/*
 * Long tables draw only the rows that can be seen. Rows are equally high; the page itself
 * scrolls. The maths stands apart from the document, to be tested.
 */
import { useEffect, useState } from "preact/hooks";
import type { RefObject } from "preact";

export interface Span {
  from: number; /* first row drawn */
  to: number; /* behind the last row drawn */
  before: number; /* height of what is not drawn above, in px */
  after: number;
}

/* `top`: where the list begins, seen from the top of the window (negative when scrolled past). */
export function visibleSpan(
  top: number, windowHeight: number, rowHeight: number, rows: number, overscan = 10,
): Span {
  const first = Math.floor(Math.max(0, -top) / rowHeight) - overscan;
  const last = Math.ceil((windowHeight - top) / rowHeight) + overscan;
  const from = Math.min(Math.max(0, first), rows);
  const to = Math.min(Math.max(from, last), rows);
  return { from, to, before: from * rowHeight, after: (rows - to) * rowHeight };
}

/* The span of a list that is drawn in `body`, as the window scrolls and changes its size. */
export function useVisibleSpan(
  body: RefObject<HTMLElement | null>, rowHeight: number, rows: number,
): Span {
  const [span, setSpan] = useState(() => visibleSpan(0, innerHeight, rowHeight, rows));

  useEffect(() => {
    let frame = 0;
    const measure = () => {
      frame = 0;
      const top = body.current?.getBoundingClientRect().top ?? 0;
      const next = visibleSpan(top, innerHeight, rowHeight, rows);
      setSpan((now) =>
        now.from === next.from && now.to === next.to && now.after === next.after ? now : next,
      );
    };
    const ask = () => {
      if (frame === 0) frame = requestAnimationFrame(measure);
    };
    /* What stands above the list may grow, too. */
    const moved = new ResizeObserver(ask);
    moved.observe(document.body);
    measure();
    addEventListener("scroll", ask, { passive: true });
    addEventListener("resize", ask);
    return () => {
      cancelAnimationFrame(frame);
      moved.disconnect();
      removeEventListener("scroll", ask);
      removeEventListener("resize", ask);
    };
  }, [rowHeight, rows]);
  /* Rows may have gone since it was measured. */
  const to = Math.min(span.to, rows);
  return span.from < to || rows === 0 ? { ...span, to } : visibleSpan(0, innerHeight, rowHeight, rows);
}
