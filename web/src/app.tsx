/* What stands around every page: the bar on top, the notice when the server is away. */
import { useEffect, useRef } from "preact/hooks";
import { Uploads } from "./compose/uploads";
import { connection } from "./live";
import { pages } from "./pages";
import { href, route } from "./router";
import { isDark, toggleTheme } from "./theme";
import { Away, ConnectionMark } from "./ui/connection";
import { Confirmations } from "./ui/dialog";
import { Toasts } from "./ui/toast";
import { TokenPrompt } from "./ui/token";

function Logo() {
  return (
    <a class="brand" href="#/jobs" aria-label="leat: jobs">
      <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
        <rect width="32" height="32" rx="7" />
        <path d="M5 12c4-4 7 4 11 0s7 4 11 0M5 20c4-4 7 4 11 0s7 4 11 0" />
      </svg>
      leat
    </a>
  );
}

function Navigation({ current }: { current: string }) {
  return (
    <nav aria-label="Pages">
      {pages.filter((page) => page.nav).map((page) => (
        <a key={page.word} href={href([page.word])}
          aria-current={page.word === current ? "page" : undefined}>
          {page.title}
        </a>
      ))}
    </nav>
  );
}

function ThemeToggle() {
  const dark = isDark();
  return (
    <button type="button" class="button quiet icon" onClick={toggleTheme}
      aria-label={dark ? "Light colours" : "Dark colours"}
      title={dark ? "Light colours" : "Dark colours"}>
      <span aria-hidden="true">{dark ? "☀" : "☾"}</span>
    </button>
  );
}

function Lost() {
  return (
    <div class="page">
      <h1>There is no such page</h1>
      <p><a href="#/jobs">To the jobs</a></p>
    </div>
  );
}

export function App() {
  const at = route.value;
  const word = at.parts[0] ?? "jobs";
  const page = pages.find((each) => each.word === word);
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const place = [word, ...at.parts.slice(1)].join("/");

  useEffect(() => {
    document.title = page ? `${page.title} · leat` : "leat";
    /* A new page is where the keyboard and the screen reader go on. */
    if (!first.current) main.current?.focus();
    first.current = false;
    scrollTo(0, 0);
  }, [place]);

  const Draw = page?.draw;
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        main.current?.focus();
      }}>Skip to the contents</a>
      <header class="top">
        <Logo />
        <Navigation current={word} />
        <div class="top-end">
          <ConnectionMark />
          <ThemeToggle />
        </div>
      </header>
      <Away />
      <Uploads />
      <main id="main" ref={main} tabIndex={-1} data-connection={connection.value}>
        {Draw ? <Draw key={place} route={at} /> : <Lost />}
      </main>
      <Toasts />
      <Confirmations />
      <TokenPrompt />
    </>
  );
}
