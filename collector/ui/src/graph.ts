// Draws a graph whose layout the collector has computed. The table beside it is the primary view; this is a picture of it.
import cytoscape, { type Core, type ElementDefinition, type StylesheetJson } from 'cytoscape'

interface Drawing {
  nodes: { id: string; name: string; detail: string; state: string; subject: boolean; x: number; y: number; href: string }[]
  edges: { from: string; to: string; label: string; hard: boolean; carries: boolean }[]
}

const states = ['down', 'degraded', 'at_risk', 'ok', 'unknown'] as const

function color(name: string): string {
  // A probe resolves light-dark() and other functions that the canvas does not understand.
  const probe = document.createElement('span')
  probe.hidden = true
  probe.style.color = `var(${name})`
  document.body.append(probe)
  const value = getComputedStyle(probe).color
  probe.remove()
  return value
}

function look(): StylesheetJson {
  const perState = states.map((state) => ({
    selector: `node[state = "${state}"]`,
    style: { 'background-color': color(`--${state}-bg`), 'border-color': color(`--${state}`) },
  }))
  return [
    {
      selector: 'node',
      style: {
        shape: 'round-rectangle',
        width: 156,
        height: 44,
        'border-width': 1.5,
        label: 'data(label)',
        color: color('--text'),
        'font-family': 'system-ui, sans-serif',
        'font-size': 12,
        'text-valign': 'center',
        'text-wrap': 'wrap',
        'text-max-width': '144px',
      },
    },
    ...perState,
    { selector: 'node[?subject]', style: { 'border-width': 3.5 } },
    {
      selector: 'edge',
      style: {
        width: 1.5,
        'line-color': color('--edge'),
        'target-arrow-color': color('--edge'),
        'target-arrow-shape': 'triangle',
        'arrow-scale': 0.9,
        'curve-style': 'bezier',
      },
    },
    { selector: 'edge[!hard]', style: { 'line-style': 'dashed' } },
    { selector: 'edge[?carries]', style: { width: 2.5, 'line-color': color('--down'), 'target-arrow-color': color('--down') } },
    { selector: 'node:active', style: { 'overlay-opacity': 0.08 } },
  ]
}

function elements(drawing: Drawing): ElementDefinition[] {
  const shown = new Set(drawing.nodes.map((node) => node.id))
  const short = (text: string) => (text.length > 24 ? `${text.slice(0, 23)}…` : text)
  const nodes = drawing.nodes.map((node) => ({
    data: { ...node, label: `${short(node.name)}\n${short(node.detail)}` },
    position: { x: node.x, y: node.y },
  }))
  const edges = drawing.edges
    .filter((edge) => shown.has(edge.from) && shown.has(edge.to))
    .map((edge, number) => ({ data: { id: `edge-${number}`, source: edge.from, target: edge.to, hard: edge.hard, carries: edge.carries } }))
  return [...nodes, ...edges]
}

function controls(graph: Core, holder: HTMLElement): void {
  const zoom = (factor: number) => graph.zoom({ level: graph.zoom() * factor, renderedPosition: { x: graph.width() / 2, y: graph.height() / 2 } })
  const actions: Record<string, () => void> = {
    fit: () => graph.fit(undefined, 24),
    in: () => zoom(1.25),
    out: () => zoom(0.8),
  }
  for (const button of holder.querySelectorAll<HTMLButtonElement>('[data-graph-action]')) {
    button.addEventListener('click', () => actions[button.dataset.graphAction ?? '']?.())
  }
}

async function draw(figure: HTMLElement): Promise<void> {
  const canvas = figure.querySelector<HTMLElement>('[data-graph-canvas]')
  const note = figure.querySelector<HTMLElement>('[data-graph-note]')
  const source = figure.dataset.graph
  if (!canvas || !source) return
  try {
    const answer = await fetch(source, { headers: { accept: 'application/json' } })
    if (!answer.ok) throw new Error(`the collector answered ${answer.status}`)
    const drawing = (await answer.json()) as Drawing
    const graph = cytoscape({
      container: canvas,
      elements: elements(drawing),
      style: look(),
      layout: { name: 'preset' },
      minZoom: 0.1,
      maxZoom: 2,
      autoungrabify: true,
      boxSelectionEnabled: false,
      userZoomingEnabled: false,
    })
    graph.fit(undefined, 24)
    if (graph.zoom() > 1) {
      graph.zoom(1)
      graph.center()
    }
    graph.on('tap', 'node', (event) => location.assign(event.target.data('href') as string))
    graph.on('mouseover', 'node', () => canvas.classList.add('is-link'))
    graph.on('mouseout', 'node', () => canvas.classList.remove('is-link'))
    controls(graph, figure)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => graph.style(look()))
    note?.remove()
    figure.dataset.drawn = String(drawing.nodes.length)
  } catch (problem) {
    if (note) note.textContent = `The picture could not be drawn (${problem instanceof Error ? problem.message : 'unknown reason'}). The table above says the same.`
  }
}

for (const figure of document.querySelectorAll<HTMLElement>('[data-graph]')) void draw(figure)
