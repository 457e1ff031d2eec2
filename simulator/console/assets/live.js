/* Keeps the page up to date. When the server says that something has changed, the page is fetched again and put in the
   place of what is shown: without losing scroll, focus, selection, open details or what somebody has typed. */

const SOONEST = 250
const OTHERS = 2000
const POLL = 2000
const MOST_BREAKS = 3

const page = document.querySelector("main")
const base = document.body.dataset.root
const live = element("live")
const pauseButton = element("pause")
let run = document.body.dataset.run
let tag = null
let isPaused = false
let missed = 0
let source = null
let breaks = 0
let polling = null
let timer = null
let dueAt = 0
let lastCost = 0
let lastStart = 0
let lostAt = null

/* Makes `old` equal to `fresh`. Children with an id keep their element, wherever they are. */
const patch = (old, fresh) => {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) return old.replaceWith(fresh.cloneNode(true))
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue
    return
  }
  if (old.dataset.keep !== undefined || old.dataset.changed !== undefined || (old.open && old.nodeName === "DIALOG")) return
  for (const { name, value } of [...fresh.attributes]) if (old.getAttribute(name) !== value) old.setAttribute(name, value)
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !(name === "open" && /^(DETAILS|DIALOG)$/.test(old.nodeName))) old.removeAttribute(name)
  if (/^(INPUT|TEXTAREA)$/.test(old.nodeName)) return
  const chosen = old.nodeName === "SELECT" ? old.value : null
  patchChildren(old, fresh)
  if (chosen !== null) {
    old.value = chosen
    if (old.selectedIndex < 0) old.selectedIndex = 0
  }
}

const patchChildren = (old, fresh) => {
  const kept = new Map([...old.children].filter(each => each.id).map(each => [each.id, each]))
  const wanted = new Set([...fresh.children].map(each => each.id))
  let at = old.firstChild
  for (const child of [...fresh.childNodes]) {
    const same = child.id ? kept.get(child.id) : undefined
    // What stands here and will not come back makes room.
    while (at && at.id && at !== same && !wanted.has(at.id)) {
      const gone = at
      at = at.nextSibling
      gone.remove()
    }
    if (same) {
      if (same === at) at = at.nextSibling
      else old.insertBefore(same, at)
      patch(same, child)
    } else if (!child.id && at && !at.id && at.nodeName === child.nodeName) {
      const next = at.nextSibling
      patch(at, child)
      at = next
    } else {
      const added = document.importNode(child, true)
      if (added.dataset?.row !== undefined) added.classList.add("arrived")
      old.insertBefore(added, at)
    }
  }
  while (at) {
    const gone = at
    at = at.nextSibling
    gone.remove()
  }
}

const isRead = () => page.querySelector("[data-list]") !== null && scrollY > 80

const show = text => {
  const fresh = new DOMParser().parseFromString(text, "text/html")
  run = fresh.body.dataset.run || run
  document.title = fresh.title
  patch(element("header"), fresh.getElementById("header"))
  patch(page, fresh.querySelector("main"))
  document.dispatchEvent(new Event("refreshed"))
}

const refresh = async (isForced = false) => {
  clearTimeout(timer)
  timer = null
  if (!isForced && (isPaused || isRead())) return showMissed()
  missed = 0
  lastStart = performance.now()
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html", ...(tag ? { "If-None-Match": tag } : {}) }, cache: "no-store" })
    if (answer.status !== 304) {
      const text = await answer.text()
      tag = answer.headers.get("ETag")
      show(text)
    }
    reached()
  } catch {
    lost()
  }
  lastCost = performance.now() - lastStart
  showMissed()
}

/* Soon, but neither more often than four times a second, nor for more than a twentieth of the time. */
const refreshSoon = atMostEvery => {
  const due = Math.max(lastStart + Math.max(atMostEvery, 20 * lastCost), performance.now())
  if (timer !== null && dueAt <= due) return
  clearTimeout(timer)
  dueAt = due
  timer = setTimeout(refresh, due - performance.now())
}

const state = (name, text) => {
  if (live.dataset.state === name && live.textContent === text) return
  live.dataset.state = name
  live.textContent = text
}

const showMissed = () => {
  if (isPaused) state("paused", missed ? `paused, ${missed} new` : "paused")
  else if (isRead() && missed) {
    notify(`${missed} new`, "Show", () => { scrollTo({ top: 0 }); refresh(true) })
    return
  } else if (source?.readyState === EventSource.OPEN) state("live", "live")
  if (!isPaused && !missed && !lostAt) element("notice").hidden = true
}

const notify = (text, label, action) => {
  const notice = element("notice")
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: label })
  button.addEventListener("click", action)
  notice.replaceChildren(`${text} `, button)
  notice.hidden = false
}

const lost = () => {
  if (lostAt) return
  lostAt = new Date()
  state("lost", "reconnecting")
  element("notice").textContent = `The simulator does not answer. What you see is from ${lostAt.toLocaleTimeString()}.`
  element("notice").hidden = false
}

const reached = () => {
  if (!lostAt) return
  lostAt = null
  element("notice").hidden = true
}

const restarted = () => {
  say("The simulator was restarted.")
  element("notice").textContent = "The simulator was restarted. Its state began anew."
  element("notice").hidden = false
  setTimeout(() => { element("notice").hidden = true }, 6000)
}

let lastSaid = 0
const onEvent = ({ type, data }) => {
  if (type === "hello") {
    const hello = JSON.parse(data)
    breaks = 0
    const isNew = run && hello.run !== run
    run = hello.run
    reached()
    if (isNew) restarted()
    state(isPaused ? "paused" : "live", isPaused ? "paused" : "live")
    refreshSoon(0)
    return
  }
  if (type === "dropped") {
    disconnect()
    run = ""
    state("lost", "dropped")
    element("notice").textContent = "This sandbox was dropped. What you see is from before."
    element("notice").hidden = false
    return
  }
  if (type === "request") {
    missed += 1
    if (Date.now() - lastSaid > 5000 && page.querySelector("[data-list]")) {
      lastSaid = Date.now()
      say(`${missed} new call${missed === 1 ? "" : "s"}`)
    }
  }
  if (isPaused || isRead()) showMissed()
  else refreshSoon(page.dataset.watches.split(" ").includes(type) || type === "gap" || type === "reset" ? SOONEST : OTHERS)
}

const connect = () => {
  if (source || !run || document.hidden || polling) return
  source = new EventSource(`${base}events`)
  for (const kind of ["hello", "request", "state", "faults", "snapshots", "sandboxes", "reset", "gap", "dropped"]) source.addEventListener(kind, onEvent)
  source.addEventListener("error", () => {
    breaks += 1
    // The page finds out whether the server is gone, or only its stream.
    refresh(true)
    if (breaks >= MOST_BREAKS || source?.readyState === EventSource.CLOSED) {
      disconnect()
      polling ??= setInterval(poll, POLL)
      state(lostAt ? "lost" : "live", lostAt ? "reconnecting" : "polling")
    }
  })
}

/* Without a stream, the page asks every two seconds, and tries the stream again once the server has answered. */
const poll = async () => {
  if (document.hidden) return
  const wasLost = lostAt
  await refresh()
  if (wasLost && !lostAt) {
    clearInterval(polling)
    polling = null
    breaks = 0
    connect()
  }
}

const disconnect = () => {
  source?.close()
  source = null
}

if (run && live) {
  pauseButton.addEventListener("click", () => {
    isPaused = !isPaused
    missed = 0
    pauseButton.setAttribute("aria-pressed", isPaused)
    pauseButton.textContent = isPaused ? "Resume" : "Pause"
    isPaused ? showMissed() : refresh(true)
  })
  document.addEventListener("visibilitychange", () => { document.hidden ? disconnect() : (connect(), refreshSoon(0)) })
  addEventListener("pagehide", disconnect)
  addEventListener("pageshow", connect)
  addEventListener("scroll", () => { if (missed && !isPaused && !isRead()) refreshSoon(0) }, { passive: true })
  connect()
}
