import { createConfig, formatProblems, lint, loadConfig } from "@redocly/openapi-core";
const config = await loadConfig({ configPath: "redocly.yaml" });
const problems = await lint({ ref: "../../openapi/openapi.yaml", config });
formatProblems(problems, { format: "codeframe", version: "", totals: { errors: 0, warnings: 0, ignored: 0 }, maxProblems: 30 });
console.log(problems.length);
