/* A browser sends no body with GET: where an operation takes one, its query parameters are what can be tried out. */
const withoutBodies = contract => {
  for (const path of Object.values(contract.paths ?? {})) delete path.get?.requestBody
  return contract
}
const sendable = () => ({
  statePlugins: { spec: { wrapActions: { updateJsonSpec: update => contract => update(withoutBodies(contract)) } } }
})
SwaggerUIBundle({
  url: document.getElementById("documentation").dataset.contract,
  dom_id: "#documentation",
  plugins: [sendable],
  deepLinking: true,
  docExpansion: "list",
  showExtensions: true,
  tryItOutEnabled: true,
  validatorUrl: null,
  withCredentials: true,
  // The page has a main part already.
  onComplete: () => { for (const each of document.querySelectorAll("#documentation main")) each.setAttribute("role", "group") }
})

/* Swagger UI is dark where the page is dark. */
const theme = document.getElementById("theme")
const system = matchMedia("(prefers-color-scheme: dark)")
const darken = () => {
  const chosen = theme.value || (system.matches ? "dark" : "light")
  document.documentElement.classList.toggle("dark-mode", chosen === "dark")
}
for (const each of [theme, system]) each.addEventListener("change", darken)
addEventListener("load", darken)
darken()
