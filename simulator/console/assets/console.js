/* What all pages of the console can do: forms that send JSON, dialogs, copying, keys, and the theme.
   All files of this folder are joined into one module. */

const root = document.documentElement
const element = id => document.getElementById(id)
const stored = {
  get: name => { try { return localStorage.getItem(`apio-simulator-${name}`) } catch { return null } },
  set: (name, value) => { try { localStorage.setItem(`apio-simulator-${name}`, value) } catch { /* Storage may be forbidden. */ } },
}

root.classList.add("script")
root.dataset.theme = stored.get("theme") ?? ""

/* Tells what has happened: to all for some seconds, and to a screen reader. */
const say = text => {
  const said = element("said")
  said.textContent = text
  said.classList.add("shown")
  clearTimeout(silence)
  silence = setTimeout(() => said.classList.remove("shown"), 4000)
}
let silence = null

/* A form with `data-send` sends its fields as a JSON object, with that method. A field `data-part` fills in `{part}` of
   the address. The field `data-body` is the whole body. Empty fields are left out. `data-then` says where to go afterwards:
   "reload", an address, or nowhere. The answer of a `data-show` form is shown in the element of that id. */

const valueOf = field => {
  if (field.type === "checkbox") return field.checked
  return field.dataset.type === "json" ? JSON.parse(field.value) : field.dataset.type === "number" ? Number(field.value) : field.value
}

const requestOf = form => {
  let address = form.getAttribute("action")
  let body = null
  const content = {}
  for (const field of form.elements) {
    if (field.dataset.part) address = address.replace(`{${field.dataset.part}}`, encodeURIComponent(field.value))
    else if (field.dataset.body !== undefined) body = field.value
    else if (field.name && !field.disabled && field.value !== "" && !(field.type === "radio" && !field.checked)) content[field.name] = valueOf(field)
  }
  if (body === null && Object.keys(content).length) body = JSON.stringify(content)
  const headers = { Accept: "application/json", ...(body === null ? {} : { "Content-Type": form.dataset.type ?? "application/json" }) }
  return new Request(address, { method: form.dataset.send, body, headers })
}

const problemsOf = form => {
  let list = form.querySelector(".problems")
  if (!list) {
    list = document.createElement("ul")
    list.className = "problems"
    list.setAttribute("role", "alert")
    form.append(list)
  }
  return list
}

const showProblems = (form, problems) => {
  problemsOf(form).replaceChildren(...problems.map(({ reason, rule, pointer }) => {
    const item = document.createElement("li")
    if (pointer) item.append(Object.assign(document.createElement("code"), { textContent: pointer }), " ")
    item.append(reason, rule ? ` (${rule})` : "")
    return item
  }))
}

const send = async form => {
  let answer
  try {
    answer = await fetch(requestOf(form))
  } catch (error) {
    showProblems(form, [{ reason: error instanceof SyntaxError ? `this is not JSON: ${error.message}` : "the simulator does not answer" }])
    return
  }
  const text = await answer.text()
  if (!answer.ok) {
    let problems
    try { problems = JSON.parse(text).errors.map(each => each.details) } catch { problems = [{ reason: `${answer.status} ${answer.statusText}` }] }
    showProblems(form, problems)
    return
  }
  form.querySelector(".problems")?.remove()
  delete form.dataset.changed
  form.closest("dialog")?.close()
  say(form.dataset.said ?? "Done.")
  if (form.dataset.show) element(form.dataset.show).textContent = text
  // Do not wait for the page, so that the form can be sent again at once.
  if (form.dataset.then === "reload" || !form.dataset.then) refresh(true)
  else location.assign(form.dataset.then)
}

/* Asks before something is lost. Resolves to whether it may be done. */
const confirmed = text => new Promise(resolve => {
  const dialog = element("confirm")
  element("confirm-text").textContent = text
  dialog.returnValue = ""
  dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true })
  dialog.showModal()
  // What is lost by mistake does not come back.
  dialog.querySelector('[value="no"]').focus()
})

/* The forms that wait for their answer. */
const sending = new WeakSet()

document.addEventListener("submit", async event => {
  const form = event.target
  // A field may be named `method`, and then `form.method` is that field.
  if (form.getAttribute("method") === "get" && !form.dataset.send) {
    // An address without the filters that nobody has chosen.
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true
    setTimeout(() => { for (const field of form.elements) field.disabled = false })
    return
  }
  if (!form.dataset.send) return
  event.preventDefault()
  if (form.dataset.confirm && !await confirmed(form.dataset.confirm)) return
  // The buttons are not disabled meanwhile: whether they are is up to the page, which may be refreshed in between.
  if (sending.has(form)) return
  sending.add(form)
  try { await send(form) } finally { sending.delete(form) }
})

document.addEventListener("input", event => { if (event.target.form?.dataset.send) event.target.form.dataset.changed = "" })

document.addEventListener("click", async event => {
  const button = event.target.closest("button")
  if (!button) return
  if (button.dataset.copy) await copy(button)
  if (button.dataset.opens) element(button.dataset.opens).showModal()
  if (button.dataset.closes !== undefined) button.closest("dialog").close()
})

/* Copies the text of another element. Without a clipboard, as on a page that is not secure, the text is selected. */
const copy = async button => {
  const source = element(button.dataset.copy)
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent)
    say("Copied.")
  } catch {
    source.closest("details")?.setAttribute("open", "")
    getSelection().selectAllChildren(source)
    say(document.execCommand("copy") ? "Copied." : "Selected; copy it with your keyboard.")
  }
  const label = button.textContent
  button.textContent = "Copied"
  setTimeout(() => { button.textContent = label }, 1200)
}

/* Keys: an element with `data-key` is clicked by that key, and one with `data-go` by `g` and then that key. */

let awaitsPlace = false
let patience = null
const keysAreOn = () => stored.get("keys") !== "off"

const moveRow = step => {
  const rows = [...document.querySelectorAll("[data-row] a[href]")].filter((link, i, all) => i === 0 || link.closest("[data-row]") !== all[i - 1].closest("[data-row]"))
  const at = rows.findIndex(link => link.closest("[data-row]").contains(document.activeElement))
  rows[Math.min(Math.max(at + step, 0), rows.length - 1)]?.focus()
}

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !keysAreOn()) return
  const { key } = event
  if (key === "Escape" && event.target.closest("main input, main select, main textarea")) event.target.blur()
  if (event.target.closest("input, select, textarea, dialog[open]")) return
  if (awaitsPlace) {
    awaitsPlace = false
    document.querySelector(`[data-go="${CSS.escape(key)}"]`)?.click()
  } else if (key === "g") {
    awaitsPlace = true
    clearTimeout(patience)
    patience = setTimeout(() => { awaitsPlace = false }, 1500)
  } else if (key === "/") {
    const search = document.querySelector('main input[type="search"]')
    search ? search.focus() : document.querySelector('[data-go="c"]').click()
  }
  else if (key === "j" || key === "k") moveRow(key === "j" ? 1 : -1)
  else {
    const target = key.length === 1 && document.querySelector(`[data-key="${CSS.escape(key)}"]:not(:disabled)`)
    if (!target) return
    target.click()
  }
  event.preventDefault()
})

const useKeys = element("use-keys")
useKeys.checked = keysAreOn()
useKeys.addEventListener("change", () => stored.set("keys", useKeys.checked ? "on" : "off"))

const theme = element("theme")
theme.value = root.dataset.theme
theme.addEventListener("change", () => { stored.set("theme", theme.value); root.dataset.theme = theme.value })
