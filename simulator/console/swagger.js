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
  withCredentials: true
})
