// The viewer of /openapi.json. Nothing leaves this server: no validator, no fonts, no telemetry.
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);

follow();
dark.addEventListener("change", follow);

SwaggerUIBundle({
	url: "/openapi.json",
	dom_id: "#docs",
	deepLinking: true,
	displayRequestDuration: true,
	filter: true,
	docExpansion: "list",
	defaultModelsExpandDepth: 0,
	validatorUrl: null,
	tryItOutEnabled: false,
	requestSnippetsEnabled: true,
	requestSnippets: { generators: { curl_bash: { title: "curl", syntax: "bash" } }, defaultExpanded: true },
});
