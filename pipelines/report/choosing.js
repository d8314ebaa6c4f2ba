// Chooses a scan in the whole page; cb_obj is the selection of a source of marks, or a click on a figure.
const page = window.operando ??= {}
if (page.choosing) { return }
const shown = (cb_obj.origin ?? cb_obj).document
const [sources, sliders, lines] = ["sources", "sliders", "lines"].map(kind => ids[kind].map(id => shown.get_model_by_id(id)))
const note = document.getElementById("chosen")

function nearest(series, time) {
  let best = -1
  times[series].forEach((one, at) => {
    if (one !== null && (best < 0 || Math.abs(one - time) < Math.abs(times[series][best] - time))) { best = at }
  })
  return best
}

function clicked() {
  if (cb_obj.indices !== undefined) {
    const source = sources.find(one => one.selected === cb_obj)
    return cb_obj.indices.length ? [source.tags[0].series, source.data.scan[cb_obj.indices[0]]] : null
  }
  const own = cb_obj.origin.tags[0].series
  const found = (own === "" ? Object.keys(times) : [own]).map(series => [series, nearest(series, cb_obj.x)])
  const away = ([series, scan]) => scan < 0 ? Infinity : Math.abs(times[series][scan] - cb_obj.x)
  return found.reduce((one, other) => away(other) < away(one) ? other : one)
}

function rows(source, scan) {
  return [...source.data.scan.keys()].filter(row => source.data.scan[row] === scan)
}

function move(slider, scan) {
  const scans = slider.tags[0].scans
  slider.value = scans.reduce((best, one, at) => Math.abs(one - scan) < Math.abs(scans[best] - scan) ? at : best, 0)
}

function choose(choice) {
  const [series, scan] = choice ?? ["", -1]
  const time = choice ? times[series][scan] : null
  for (const source of sources) {
    source.selected.indices = source.tags[0].series === series ? rows(source, scan) : []
  }
  for (const line of lines) {
    line.location = time ?? line.location
    line.visible = time !== null
  }
  note.hidden = !choice
  if (!choice) { return }
  for (const slider of sliders) {
    const own = slider.tags[0].series
    const wanted = own === series ? scan : time === null ? -1 : nearest(own, time)
    if (wanted >= 0) { move(slider, wanted) }
  }
  const clock = time === null ? [] : [new Date(time).toISOString().slice(0, 19).replace("T", " ")]
  const potential = potentials[series][scan] === null ? [] : [`${potentials[series][scan].toFixed(3)} V`]
  note.firstElementChild.textContent = [`${names[series]}, scan ${scan}`, ...clock, ...potential].join(" · ")
}

function chooseOnce(choice) {
  page.choosing = true
  try { choose(choice) } finally { page.choosing = false }
}

note.lastElementChild.onclick = () => chooseOnce(null)
chooseOnce(clicked())
