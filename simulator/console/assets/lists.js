/* Faults and sandboxes. */

/* The statuses that the chosen operation documents. */
document.addEventListener("change", ({ target }) => {
  if (target.id !== "fault-operation") return
  const statuses = target.selectedOptions[0].dataset.statuses
  element("documented").textContent = statuses
    ? `${target.value} documents ${statuses}. You can use another status; you then see a note.`
    : "Choose an operation to see its documented statuses. You can use another status; you then see a note."
  element("statuses").replaceChildren(...(statuses?.split(", ") ?? []).map(value => Object.assign(document.createElement("option"), { value })))
})

/* Makes what the form names. The name is used then, so its field becomes empty. */
const sendNew = async form => {
  await send(form)
  if (!form.querySelector(".problems")) form.querySelector("[data-part]").value = ""
}

/* One fault or several: each further one lets one more call pass, since it does not count those that a fault before it
   answers. */
const sendPreset = async form => {
  const { operationId, after } = form.elements
  operationId.value = element("preset-for").value
  for (let left = Number(form.dataset.preset), passed = Number(after?.value); left > 0; left--, passed++) {
    if (after) after.value = passed
    await send(form)
    if (form.querySelector(".problems")) break
  }
  if (after) after.value = 1
}

const sendSandbox = async form => {
  const name = form.querySelector("[data-part]").value
  if (document.querySelector(`[data-sandbox="${CSS.escape(name)}"]`) && !await confirmed(`There is a sandbox ${name} already. Replace it? Its state, its calls, its snapshots and its faults are lost.`)) return
  form.elements.fixture.value = form.querySelector("[data-from]").value ? await (await fetch(`${base}state`, { headers: { Accept: "application/json" } })).text() : ""
  await sendNew(form)
  form.elements.fixture.value = ""
}

const sendSnapshot = async form => {
  const name = form.querySelector("[data-part]").value
  const { snapshots } = await (await fetch(`${base}snapshots`, { headers: { Accept: "application/json" } })).json()
  if (snapshots.some(each => each.name === name) && !await confirmed(`There is a snapshot ${name} already. Replace it? The state that it keeps is lost.`)) return
  await sendNew(form)
}

/* Comes before the listener that sends forms. */
document.addEventListener("submit", async event => {
  const form = event.target
  const own = form.dataset.preset ? sendPreset : { "new-sandbox": sendSandbox, "new-snapshot": sendSnapshot }[form.id]
  if (!own) return
  event.preventDefault()
  event.stopPropagation()
  if (sending.has(form)) return
  sending.add(form)
  try {
    await own(form)
  } catch {
    showProblems(form, [{ reason: "the simulator does not answer" }])
  } finally {
    sending.delete(form)
  }
}, true)
