/*
 * Every page: the first word of its address, its name in the navigation (none: it is reached from
 * another page), and what draws it. A page of several words, `#/jobs/ID`, is its first word's.
 */
import type { ComponentType } from "preact";
import type { Route } from "../router";
import { JobPage } from "./job";
import { JobsPage } from "./jobs";

export interface Page {
  word: string;
  title: string;
  nav: boolean;
  draw: ComponentType<{ route: Route }>;
}

function JobsOrJob({ route }: { route: Route }) {
  const id = route.parts[1];
  return id ? JobPage({ id, route }) : JobsPage({ route });
}

export const pages: Page[] = [
  { word: "jobs", title: "Jobs", nav: true, draw: JobsOrJob },
];
