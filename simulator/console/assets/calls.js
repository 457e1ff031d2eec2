/* The page of a call: sends it again, and shows the new answer beside the old one. The names are those of this file. */

{
const MOST_COMPARED = 1_000_000

const made = (name, content, attributes = {}) => {
  const node = Object.assign(document.createElement(name), attributes)
  node.append(...[content].flat())
  return node
}

const answerOn = part => ({
  status: part.querySelector("#response-status").textContent.trim(),
  lines: part.querySelector("#response-body")?.textContent.split("\n") ?? [],
})

/* The lines of two texts in order, each with "-" if only the old text has it, "+" if only the new one, else " ". */
const compared = (old, fresh) => {
  let from = 0
  while (from < Math.min(old.length, fresh.length) && old[from] === fresh[from]) from += 1
  let same = 0
  while (same < Math.min(old.length, fresh.length) - from && old.at(-1 - same) === fresh.at(-1 - same)) same += 1
  const a = old.slice(from, old.length - same)
  const b = fresh.slice(from, fresh.length - same)
  const lengths = Array.from({ length: a.length + 1 }, () => [])
  const isShort = a.length * b.length <= MOST_COMPARED
  if (isShort) for (let i = a.length; i >= 0; i -= 1) for (let j = b.length; j >= 0; j -= 1)
    lengths[i][j] = i === a.length || j === b.length ? 0 : a[i] === b[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1])
  const middle = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    if (isShort && i < a.length && j < b.length && a[i] === b[j]) middle.push([" ", a[i++]]), j += 1
    else if (j >= b.length || (i < a.length && (!isShort || lengths[i + 1][j] >= lengths[i][j + 1]))) middle.push(["-", a[i++]])
    else middle.push(["+", b[j++]])
  }
  const unchanged = lines => lines.map(line => [" ", line])
  return [...unchanged(old.slice(0, from)), ...middle, ...unchanged(old.slice(old.length - same))]
}

const column = (title, lines, sign, tag) => made("div", [
  made("h3", title),
  made("pre", lines.filter(([each]) => each === " " || each === sign).flatMap(([each, line]) => each === " " ? [`  ${line}\n`] : [made(tag, `${sign} ${line}`), "\n"])),
], { className: "box" })

const showComparison = (old, fresh, link) => {
  const lines = compared(old.lines, fresh.lines)
  const count = lines.filter(([sign]) => sign !== " ").length
  const isSame = !count && old.status === fresh.status
  const words = isSame ? "The answer is the same." : `The answer differs: ${old.status === fresh.status ? "the same status" : `status ${fresh.status} instead of ${old.status}`}, and ${count} different line${count === 1 ? "" : "s"} (- only before, + only now).`
  element("replayed").replaceChildren(
    made("h2", "Replayed"),
    made("p", [`${words} `, ...(link ? [made("a", "Open the new call", { href: link })] : [])]),
    made("div", [column(`Before: ${old.status}`, lines, "-", "del"), column(`Now: ${fresh.status}`, lines, "+", "ins")], { className: "columns compared" }),
  )
}

const replay = async form => {
  const { target, body, token } = form.elements
  const isEdited = body && body.value !== body.defaultValue
  const sent = isEdited ? body.value : JSON.parse(form.dataset.body)
  const headers = { ...JSON.parse(form.dataset.headers), ...(token.value ? { Authorization: `Bearer ${token.value}` } : {}) }
  const old = answerOn(document)
  let answer
  try {
    // Text alone would get a content type that the call did not have.
    const content = sent ? new TextEncoder().encode(sent) : undefined
    answer = await fetch(form.getAttribute("action") + target.value, { method: form.dataset.method, headers, body: content, credentials: "omit", cache: "no-store" })
  } catch {
    return showComparison(old, { status: "closed", lines: [] })
  }
  const text = await answer.text().catch(() => "")
  const id = answer.headers.get("X-Simulator-Request-Id")
  const link = id && `${base}requests/${encodeURIComponent(id)}`
  const entry = link && await journaled(link)
  showComparison(old, entry ?? { status: `${answer.status}`, lines: text.split("\n") }, entry && link)
}

/* The new answer as the journal shows it: in the same way as the old one. Nothing if the journal does not have it. */
const journaled = async link => {
  try {
    const page = await fetch(link, { headers: { Accept: "text/html" } })
    return page.ok ? answerOn(new DOMParser().parseFromString(await page.text(), "text/html")) : null
  } catch {
    return null
  }
}

document.addEventListener("submit", event => {
  if (event.target.id !== "replay") return
  event.preventDefault()
  replay(event.target)
})

document.addEventListener("click", event => {
  const edited = element(event.target.closest("[data-edits]")?.dataset.edits)
  if (!edited) return
  edited.open = true
  edited.querySelector("textarea, input").focus()
})
}
