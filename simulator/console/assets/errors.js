/* The catalogue of errors: its refusals can be tried. And a search in what a page lists. */

{
const SCRATCH = "scratch-console"
let catalogue = null

/* Shows only the boxes, or the entries of sections, that hold all words searched for. */
const search = () => {
  const field = element("search")
  if (!field) return
  const list = element(field.dataset.searches)
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean)
  const holds = each => words.every(word => each.textContent.toLowerCase().includes(word))
  const entries = [...list.querySelectorAll("details, .rule")]
  let found = 0
  for (const each of entries) {
    each.hidden = !holds(each)
    found += !each.hidden
  }
  for (const section of list.querySelectorAll("section:not(.rule)")) section.hidden = !section.querySelector("details:not([hidden])")
  element("search-found").textContent = words.length ? `${found} of ${entries.length}` : ""
}

document.addEventListener("input", event => { if (event.target.dataset.searches) search() })
document.addEventListener("refreshed", search)

/* The answer of this address for programs. It lists the same errors as the page, in the same order. */
const entryOf = async details => {
  catalogue ??= fetch(location.href, { headers: { Accept: "application/json" } }).then(answer => answer.json())
  const at = [...element("errors").querySelectorAll("details")].indexOf(details)
  return (await catalogue).errors[at]
}

const bodyOf = ({ body, bodyHex, zeroBytes }) => {
  if (body) return new TextEncoder().encode(body)
  if (bodyHex) return Uint8Array.from(bodyHex.match(/../g), pair => parseInt(pair, 16))
  return zeroBytes ? new Uint8Array(zeroBytes) : null
}

/* Sends the request of a recipe to a sandbox that begins anew with the server's own fixture. */
const tryOut = async ({ request }, top) => {
  const created = await fetch(`${base}sandboxes/${SCRATCH}`, { method: "PUT", headers: { Accept: "application/json" } })
  if (!created.ok) throw new Error((await created.json()).errors[0].details.reason)
  const body = bodyOf(request)
  return fetch(`${top}_sandboxes/${SCRATCH}${request.path}`, {
    method: request.method,
    body,
    headers: { ...(body ? { "Content-Type": "application/json" } : {}), Accept: "*/*", ...request.headers },
    // Only the control interface may want what the browser was asked for.
    credentials: request.path.startsWith("/_simulator/") ? "same-origin" : "omit",
    cache: "no-store",
  })
}

const build = (name, properties, ...children) => {
  const built = Object.assign(document.createElement(name), properties)
  built.append(...children)
  return built
}

const showTried = async button => {
  const details = button.closest("details")
  const entry = await entryOf(details)
  const documented = details.querySelectorAll("pre")[1]
  const result = details.querySelector(".tried") ?? build("div", { className: "tried" })
  details.append(result)
  button.disabled = true
  try {
    const answer = await tryOut(entry, button.dataset.try)
    const text = await answer.text()
    let body = text
    try { body = JSON.parse(text) } catch { /* It is shown as it is. */ }
    // Where an answer names its sandbox, the documented one names another.
    const compared = JSON.stringify(body).replaceAll(`/_sandboxes/${SCRATCH}/`, "/").replaceAll(`'${SCRATCH}'`, "'default'")
    const isSame = answer.status === entry.status && compared === JSON.stringify(entry.response.body)
    const id = answer.headers.get("X-Simulator-Request-Id")
    const link = id && !entry.request.path.startsWith("/_simulator/")
      ? build("a", { href: `${button.dataset.try}_sandboxes/${SCRATCH}/_simulator/requests/${encodeURIComponent(id)}` }, "See this call")
      : ""
    result.replaceChildren(
      build("p", {}, build("b", {}, isSame ? "The answer is the documented one. " : "The answer is not the documented one. "), link),
      build("div", { className: "pair" },
        build("div", {}, build("p", {}, "Documented"), documented.cloneNode(true)),
        build("div", {}, build("p", {}, "Answered now"), build("pre", {}, `${answer.status}\n${typeof body === "string" ? body : JSON.stringify(body, null, "\t")}`))))
    documented.hidden = true
    say(isSame ? "The answer is the documented one." : "The answer is not the documented one.")
  } catch (error) {
    result.replaceChildren(build("p", { className: "problems" }, `This could not be tried: ${error.message}`))
    say("This could not be tried.")
  } finally {
    button.disabled = false
  }
}

/* An entry gets its buttons when it is opened. Buttons for all of them would make the page heavy. */
document.addEventListener("toggle", async event => {
  const details = event.target
  const tools = element("error-tools")
  if (!tools || !details.open || !details.matches?.("#errors details") || details.querySelector(".actions")) return
  const actions = tools.content.firstElementChild.cloneNode(true)
  const [tryButton, copyButton] = actions.querySelectorAll("button")
  const command = details.querySelector("pre")
  command.id = `${details.id}-command`
  copyButton.dataset.copy = command.id
  const entry = await entryOf(details)
  const rule = actions.querySelector("a")
  rule.href += `#${entry.rule}`
  rule.textContent = `Rule ${entry.rule}`
  const reason = JSON.parse(tools.dataset.obstacles)[details.id]
  if (reason) tryButton.replaceWith(build("span", { className: "soft" }, `Cannot be tried here. ${reason}`))
  details.append(actions)
}, true)

document.addEventListener("click", event => {
  const button = event.target.closest("[data-try]")
  if (button) showTried(button)
})

/* The entry that the address names is opened. */
const openTarget = () => {
  const target = element(location.hash.slice(1))
  if (target?.matches("#errors details")) target.open = true
}
addEventListener("hashchange", openTarget)
openTarget()
search()
}
