/* Edits a part of the world as JSON, and sends what has changed as a merge patch (RFC 7396). */

let edited = null

const isObject = value => value !== null && typeof value === "object" && !Array.isArray(value)

const changeOf = (before, after) => {
  if (!isObject(before) || !isObject(after)) return after
  const change = Object.create(null)
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) change[key] = null
  for (const [key, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, key) ? before[key] : undefined
    if (JSON.stringify(old) !== JSON.stringify(value)) change[key] = changeOf(old, value)
  }
  return change
}

/* Puts a change at its place in the state. */
const changeAt = (pointer, change) => pointer.split("/").slice(1).reduceRight(
  (value, step) => ({ [step.replaceAll("~1", "/").replaceAll("~0", "~")]: value }), change)

/* The part is read when it is to be edited: it may be large, and may have changed since the page was shown. */
const partOf = async ({ edit, content }) => {
  if (content !== undefined) return JSON.parse(content)
  const answer = await fetch(location.pathname, { headers: { Accept: "application/json" } })
  return (await answer.json()).sections[edit].content
}

document.addEventListener("click", async event => {
  const button = event.target.closest("button[data-edit]")
  if (!button) return
  const form = element("edit-form")
  form.querySelector(".problems")?.remove()
  try {
    const part = await partOf(button.dataset)
    edited = { pointer: button.dataset.pointer, before: button.dataset.adds === undefined ? part : {} }
    element("edit-title").textContent = button.textContent
    element("edit-place").textContent = edited.pointer
    element("edit-text").value = JSON.stringify(part, null, 2)
    element("edit").showModal()
    element("edit-text").focus()
  } catch {
    element("notice").textContent = "The simulator does not answer, or this part is gone."
    element("notice").hidden = false
  }
})

document.addEventListener("submit", event => {
  if (event.target.id !== "edit-form") return
  try {
    element("edit-body").value = JSON.stringify(changeAt(edited.pointer, changeOf(edited.before, JSON.parse(element("edit-text").value))))
  } catch (error) {
    event.preventDefault()
    event.stopImmediatePropagation()
    showProblems(event.target, [{ reason: `this is not JSON: ${error.message}` }])
  }
}, true)
