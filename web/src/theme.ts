/* Light or dark as the system says, unless the reader chose. */
import { effect, signal } from "@preact/signals";

export type Theme = "auto" | "light" | "dark";

const KEY = "leat.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

function stored(): Theme {
  const value = localStorage.getItem(KEY);
  return value === "light" || value === "dark" ? value : "auto";
}

export const theme = signal<Theme>(stored());
const systemIsDark = signal(dark.matches);

dark.addEventListener("change", () => {
  systemIsDark.value = dark.matches;
});

export function isDark(): boolean {
  return theme.value === "dark" || (theme.value === "auto" && systemIsDark.value);
}

export function toggleTheme(): void {
  theme.value = isDark() ? "light" : "dark";
  localStorage.setItem(KEY, theme.value);
}

effect(() => {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
});
