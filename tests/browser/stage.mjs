// A collector to look at: its own data directory and ports, people, the simulated company, and hostile names.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const binaries = process.env.ROLLCALL_BINARIES ?? join(import.meta.dirname, '../../target/debug')

export const hostile = {
  name: '<img src=x onerror="window.pwned=1">',
  description: '</dd></dl><script>window.pwned=2</script>{{7*7}}',
  owner: '"><svg onload=window.pwned=3>',
}
export const password = 'a long enough pass phrase'

/** Waits, bounded, until `probe` gives something. */
export async function until(what, probe, seconds = 60) {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const found = await probe()
    if (found) return found
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** A collector of our own; or, with ROLLCALL_DATA_DIR, one that runs already and has the simulated company. */
export async function stage() {
  const directory = mkdtempSync(join(tmpdir(), 'rollcall-browser-'))
  const running = process.env.ROLLCALL_DATA_DIR
  const data = running ?? join(directory, 'data')
  const collector = running ? undefined : serve(directory, data)
  const stop = async () => {
    await collector?.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    const listening = await until('the collector to listen', () => {
      collector?.check()
      const file = join(data, 'listening.json')
      return existsSync(file) && JSON.parse(readFileSync(file, 'utf8'))
    })
    const base = `http://${listening.people_address}`
    await until('the collector to be ready', () => fetch(`${base}/-/ready`).then((answer) => answer.ok))
    const api = client(base, readFileSync(join(data, 'console.token'), 'utf8').trim())
    for (const [name, role] of [['admin', 'admin'], ['viewer', 'viewer']]) await api('POST', '/users', { name, role, password }).catch((problem) => { if (!running || !/: 409 /.test(problem.message)) throw problem })
    if (collector) {
      const fleet = spawnSync(join(binaries, 'rollcall-fleet'), ['--data-dir', data, '--state-dir', join(data, 'fleet')], { encoding: 'utf8' })
      if (fleet.status !== 0) throw new Error(`the simulated company failed:\n${fleet.stdout}${fleet.stderr}\n${collector.log()}`)
    }
    const { name, ...attributes } = hostile
    await api('POST', '/cis', { class: 'server', name, attributes })
    return { base, data, directory, api, stop }
  } catch (problem) {
    await stop()
    throw problem
  }
}

function serve(directory, data) {
  const config = join(directory, 'collector.toml')
  const settings = [`data_dir = ${JSON.stringify(data)}`, '[agents]', 'listen = "127.0.0.1:0"', '[people]', 'listen = "127.0.0.1:0"', 'tls = "off"']
  writeFileSync(config, settings.join('\n'))
  // To a file, not a pipe: nobody empties a pipe while this process waits for another, and a full one stops the collector.
  const file = join(directory, 'collector.log')
  const out = openSync(file, 'w')
  const child = spawn(join(binaries, 'rollcall'), ['serve', '--config', config], { stdio: ['ignore', out, out] })
  const log = () => readFileSync(file, 'utf8').slice(-20_000)
  const ended = () => child.exitCode !== null || child.signalCode !== null
  return {
    log,
    check: () => {
      if (ended()) throw new Error(`the collector ended:\n${log()}`)
    },
    stop: async () => {
      child.kill('SIGTERM')
      await until('the collector to stop', ended, 20).catch(() => child.kill('SIGKILL'))
    },
  }
}

function client(base, token) {
  return async (method, path, body) => {
    const answer = await fetch(`${base}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
      body: body && JSON.stringify(body),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return text && JSON.parse(text)
  }
}

/** Runs the real agent once; gives its exit code and what it said. */
export function agent(directory, name, ...args) {
  return spawnSync(join(binaries, 'rollcall-agent'), ['--state-dir', join(directory, name), ...args], { encoding: 'utf8', timeout: 60_000 })
}
